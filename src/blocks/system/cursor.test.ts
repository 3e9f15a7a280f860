import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BIGINT_MAX } from '#base/values/bigint';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { KEY_FORMS, type KeyType } from './list-key.ts';
import { CURSOR_CHARS_MAX, KEY_BYTES_MAX } from './options.ts';

const TAG = 'of a list';
const TYPES: readonly KeyType[] = ['text', 'bigint', 'number', 'time'];

const refused = (types: readonly KeyType[], cursor: string) =>
  assert.throws(() => decodeCursor(TAG, types, cursor), { code: 'cursor_invalid', status: 400 }, cursor);

const texts = fc
  .string({ unit: 'binary', maxLength: 200 })
  .filter((text) => text.isWellFormed() && !text.includes('\0'));
const keyOf: Readonly<Record<KeyType, fc.Arbitrary<string>>> = {
  text: texts,
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  number: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  time: fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString().replace('Z', '123Z')),
};
const keys = fc
  .array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 2 })
  .chain((types) => fc.tuple(fc.constant(types), fc.tuple(...types.map((type) => keyOf[type]))));

test('a cursor gives back the keys that it was made of, whatever they hold', () => {
  fc.assert(
    fc.property(keys, ([types, values]) => {
      const cursor = encodeCursor(TAG, values);
      assert(cursor.length <= CURSOR_CHARS_MAX);
      assert.deepEqual(decodeCursor(TAG, types, cursor), values);
    }),
  );
});

test('two texts of the greatest length fit', () => {
  const longest = '😀'.repeat(KEY_BYTES_MAX / 4);
  const cursor = encodeCursor('12345678', [longest, longest]);
  assert(cursor.length <= CURSOR_CHARS_MAX, `${cursor.length}`);
  assert(!KEY_FORMS.text.fits(`${longest}x`));
});

test('another list, another number of keys, another type or another version is refused', () => {
  fc.assert(
    fc.property(keys, ([types, values]) => {
      assert.throws(() => decodeCursor('of another', types, encodeCursor(TAG, values)), {
        code: 'cursor_invalid',
      });
      refused([...types, 'text'], encodeCursor(TAG, values));
      refused(types.slice(1), encodeCursor(TAG, values));
    }),
  );
  refused(['bigint'], encodeCursor(TAG, ['one']));
  refused(['text'], Buffer.from(`2\0${TAG}\0a`).toString('base64url'));
});

test('whatever is sent as a cursor is read or refused, and read only in its one spelling', () => {
  const bytes = fc.uint8Array({ maxLength: 100 }).map((each) => Buffer.from(each).toString('base64url'));
  const inside = fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), ...TYPES.map((type) => keyOf[type])), { maxLength: 3 })
    .map((parts) => encodeCursor(TAG, parts));
  const broken = fc.tuple(keys, fc.nat(), fc.string({ maxLength: 2 })).map(([[, values], at, put]) => {
    const cursor = encodeCursor(TAG, values);
    const place = at % (cursor.length + 1);
    return `${cursor.slice(0, place)}${put}${cursor.slice(place + 1)}`;
  });
  const types = fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(types, fc.oneof(fc.string(), bytes, inside, broken), (of, cursor) => {
      try {
        const values = decodeCursor(TAG, of, cursor);
        assert.equal(encodeCursor(TAG, values), cursor);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'cursor_invalid');
      }
    }),
    { numRuns: 2000 },
  );
  refused(['text'], 'x'.repeat(CURSOR_CHARS_MAX + 1));
  refused(['text'], `${encodeCursor(TAG, ['a'])}=`);
  refused(['text'], '');
});

test('what Postgres could not read is no key', () => {
  const none: [KeyType, string[]][] = [
    ['text', ['\ud800', 'x'.repeat(KEY_BYTES_MAX + 1)]],
    ['bigint', ['', '1.5', '01', '-0', '9223372036854775808', `${BIGINT_MAX}0`, '１', ' 1', 'NaN']],
    ['number', ['', 'NaN', 'Infinity', '1e400', '1e-400', '-1e-400', '0x1', '1.', '.5', '+1', '1_0']],
    [
      'time',
      [
        ...['', 'now', 'infinity', '2026-02-30T00:00:00.000000Z', '2026-01-01T00:00:00.000Z'],
        ...['0000-01-01T00:00:00.000000Z', '2026-01-01T00:00:60.000000Z', '2026-01-01T24:00:00.000000Z'],
        '2026-01-01T00:00:00.000000+01:00',
      ],
    ],
  ];
  for (const [type, all] of none)
    for (const text of all) assert(!KEY_FORMS[type].fits(text), `${type} ${text}`);
});
