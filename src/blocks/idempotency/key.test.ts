import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, hashFields, parseIdempotencyKey } from './key.ts';

test('a key is taken bare or quoted, and both are the same key', () => {
  assert.equal(parseIdempotencyKey(undefined), undefined);
  assert.equal(
    parseIdempotencyKey('8e03978e-40d5-43dd-bc93-6894a57f9324'),
    '8e03978e-40d5-43dd-bc93-6894a57f9324',
  );
  assert.equal(parseIdempotencyKey('"abc"'), 'abc');
  assert.equal(parseIdempotencyKey('"a\\"b\\\\c"'), 'a"b\\c');
  assert.equal(parseIdempotencyKey(` ${'x'.repeat(255)} `), 'x'.repeat(255));
});

test('what is empty, too long, not visible ASCII or given twice is refused', () => {
  const bad = [
    '',
    '""',
    '"',
    '"abc',
    'a b',
    '"a b"',
    'ü',
    '"ü"',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
    'a\tb',
  ];
  for (const header of [...bad, ['a', 'b']]) {
    assert.throws(
      () => parseIdempotencyKey(header),
      { code: 'idempotency_key_invalid' },
      JSON.stringify(header),
    );
  }
});

test('property: any header is a key of 1 to 255 visible characters or refused', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300, unit: 'binary-ascii' }), (header) => {
      try {
        assert.match(parseIdempotencyKey(header) ?? '', /^[\x21-\x7e]{1,255}$/);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'idempotency_key_invalid');
      }
    }),
  );
});

test('property: canonical JSON is the same for the same value, whatever the order of its keys, and parses back', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalJson(reversed(value)), text);
    }),
  );
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, field]) => [key, reversed(field)] as const)
      .reverse(),
  );
}

test('property: fields do not run together', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
      assert.equal(hashFields(...a).equals(hashFields(...b)), JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});
