import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatPosition,
  hasReached,
  isPosition,
  latestPosition,
  parseLsn,
  parsePosition,
  unsureIn,
} from './position.ts';

const positions = fc.record(
  {
    term: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  },
  { noNullPrototype: true },
);

test('a token gives back the position that it was made of', () => {
  fc.assert(
    fc.property(positions, (position) => {
      const token = formatPosition(position);
      assert.match(token, /^[A-Za-z0-9_-]{1,40}$/);
      assert.deepEqual(parsePosition(token), position);
    }),
  );
});

test('what was not made here is none', () => {
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  const wrong = [
    '',
    'x',
    '=',
    encode('1'),
    encode('1.'),
    encode('0.1'),
    encode('1.g'),
    encode('1.01'),
    encode('01.1'),
  ];
  for (const token of [...wrong, `${encode('1.1')}=`, encode(`1.${'f'.repeat(17)}`), 'A'.repeat(10_000)]) {
    assert.equal(isPosition(token), false, token);
  }
  fc.assert(
    fc.property(
      fc.string(),
      (text) => !isPosition(text) || formatPosition(parsePosition(text) as never) === text,
    ),
  );
});

test('positions have one order: by term, then by place', () => {
  fc.assert(
    fc.property(positions, positions, (one, other) => {
      const isEqual = one.term === other.term && one.lsn === other.lsn;
      assert.equal(hasReached(one, other) && hasReached(other, one), isEqual);
      const latest = parsePosition(latestPosition([formatPosition(one), formatPosition(other)]) as string);
      assert(latest && hasReached(latest, one) && hasReached(latest, other));
    }),
  );
  assert.equal(latestPosition([]), undefined);
});

test('nobody but a later term has reached what is unsure', () => {
  const unsure = unsureIn(3);
  assert.equal(hasReached({ term: 3, lsn: 2n ** 64n - 2n }, unsure), false);
  assert.equal(hasReached({ term: 4, lsn: 0n }, unsure), true);
});

test("Postgres's way of writing a place is read", () => {
  assert.equal(parseLsn('0/0'), 0n);
  assert.equal(parseLsn('16/B374D848'), 0x16b374d848n);
  assert.equal(parseLsn('FFFFFFFF/FFFFFFFF'), 2n ** 64n - 1n);
  assert.throws(() => parseLsn('16-B374D848'), /not a place in the log/);
});
