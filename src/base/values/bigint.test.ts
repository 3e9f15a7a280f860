import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BIGINT_MAX, isBigint } from './bigint.ts';

test('every bigint is one, in its own spelling only', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      assert(isBigint(String(value)));
      assert(!isBigint(`0${value}`) && !isBigint(` ${value}`) && !isBigint(`+${value}`));
    }),
  );
  assert.equal(BIGINT_MAX, '9223372036854775807');
});

test('what does not fit, or is no number, is none', () => {
  for (const text of [
    ...['', '-', '-0', '1.0', '1e3', '0x1', '١', '9223372036854775808', '-9223372036854775809'],
    ...['99999999999999999999', 'NaN', '1\n'],
  ]) {
    assert(!isBigint(text), text);
  }
});
