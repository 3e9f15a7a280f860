import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { codesOfLength, createCodes, createPermutation, type RoundFunction } from './codes.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);
const SEVEN = codesOfLength(7);
const EIGHT = codesOfLength(8);

/** Another pseudorandom function than the product's, so that any domain can be tried. */
function roundFunctionOf(seed: number): RoundFunction {
  return (round, halves) =>
    Int32Array.from(halves, (half) =>
      createHmac('md5', `${seed}`).update(`${round}:${half}`).digest().readInt32LE(0),
    );
}

test('a permutation of a small domain hits each value once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(), (size, seed) => {
      const values = createPermutation(size, roundFunctionOf(seed))([...Array(size).keys()]);
      assert.deepEqual(
        values.toSorted((a, b) => a - b),
        [...Array(size).keys()],
      );
    }),
    { numRuns: 40 },
  );
});

test('a value goes where it goes, whatever is permuted with it', () => {
  const permute = createPermutation(1000, roundFunctionOf(1));
  const together = permute([...Array(1000).keys()]);
  for (let value = 0; value < 1000; value += 37) assert.deepEqual(permute([value]), [together[value]]);
});

test('the codes of different counters differ', () => {
  const codes = createCodes({ key: key(7) });
  const counter = fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: SEVEN + EIGHT - 1 }));
  fc.assert(
    fc.property(fc.uniqueArray(counter, { minLength: 2, maxLength: 50 }), (counters) => {
      assert.equal(new Set(counters.map(codes.codeOf)).size, counters.length);
    }),
  );
  const many = new Set<string>();
  for (let i = 0; i < 50_000; i++) many.add(codes.codeOf(i));
  for (let i = 0; i < 50_000; i++) many.add(codes.codeOf(SEVEN - 25_000 + i));
  assert.equal(many.size, 100_000);
});

test('seven characters until 62^7, then eight, then none', () => {
  const codes = createCodes({ key: key(7) });
  for (const counter of [0, 1, SEVEN - 1]) assert.match(codes.codeOf(counter), /^[0-9A-Za-z]{7}$/);
  for (const counter of [SEVEN, SEVEN + EIGHT - 1]) assert.match(codes.codeOf(counter), /^[0-9A-Za-z]{8}$/);
  assert.throws(() => codes.codeOf(SEVEN + EIGHT), { code: 'code_space_exhausted' });
  assert.throws(() => codes.codeOf(-1), /not a counter/);
  assert.throws(() => codes.codeOf(0.5), /not a counter/);
});

test('a code depends on its counter and the key alone', () => {
  const rising = createCodes({ key: key(7) });
  const falling = createCodes({ key: key(7) });
  const expected = Array.from({ length: 100 }, (_, i) => rising.codeOf(i));
  const found = Array.from({ length: 100 }, (_, i) => falling.codeOf(99 - i)).reverse();
  assert.deepEqual(found, expected);
  assert.notEqual(createCodes({ key: key(8) }).codeOf(0), expected[0]);
});

test('the permutation never changes: these codes have been given', () => {
  const codes = createCodes({ key: key(7) });
  assert.deepEqual([0, 1, 2, 1_000_000, SEVEN, SEVEN + 1].map(codes.codeOf), [
    'CDFNFMU',
    'ukPwumN',
    'gPBcNT9',
    'nM4RVx4',
    'rZRhZjWZ',
    'KXmqRd2W',
  ]);
});

test('the codes of consecutive counters show no order', () => {
  const codes = createCodes({ key: key(42) });
  const count = 20_000;
  const given = Array.from({ length: count }, (_, i) => codes.codeOf(i));
  const rising = given.filter((code, i) => i > 0 && code > given[i - 1]!).length;
  assert(Math.abs(rising / count - 0.5) < 0.02, `${rising} of ${count} rise`);
  let same = 0;
  for (let i = 1; i < count; i++) {
    for (let at = 0; at < 7; at++) if (given[i]![at] === given[i - 1]![at]) same++;
  }
  assert(Math.abs(same / (count * 7) - 1 / 62) < 0.002, `${same} characters stay`);
  for (let at = 0; at < 7; at++) assert(chiSquare(given.map((code) => code[at]!)) < 110, `place ${at}`);
});

/** Against 62 equally frequent characters: 61 degrees of freedom, above 110 once in 10,000. */
function chiSquare(characters: string[]): number {
  const counts = new Map<string, number>();
  for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1);
  const expected = characters.length / 62;
  let sum = (62 - counts.size) * expected;
  for (const count of counts.values()) sum += (count - expected) ** 2 / expected;
  return sum;
}
