import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAmount, formatHumane, parseBytes, roundHumanely } from './units.ts';

test('a number is rounded to the fewest digits that stay within 1.5 %, ties to the even digit', () => {
  const cases = [
    [5787.037, 5800],
    [17_361.11, 17_400],
    [578.7, 580],
    [2314.81, 2300],
    [231.48, 230],
    [25e12, 25e12],
    [9.125e15, 9e15],
    [36.5e12, 36e12],
    [0, 0],
    [1.04e-3, 1.04e-3],
  ] as const;
  for (const [exact, humane] of cases) assert.equal(roundHumanely(exact), humane, String(exact));
});

test('a rounded number is never further than 1.5 % from the exact one', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e18, noNaN: true }), (value) => {
      assert(Math.abs(roundHumanely(value) - value) <= 0.015 * value);
    }),
  );
});

test('bytes get the largest prefix, and text that people write gives bytes', () => {
  assert.equal(formatAmount(25e12, 'B/day'), '25 TB/day');
  assert.equal(formatAmount(999, 'B'), '999 B');
  assert.equal(formatAmount(1000, 'B'), '1 KB');
  assert.equal(formatAmount(5787.037, '/s'), '5,787.04/s');
  assert.equal(formatAmount(0.0042, '/s'), '0.0042/s');
  assert.equal(formatAmount(1.225, 'ms'), '1.225 ms');
  assert.equal(formatAmount(99.9999, '%'), '99.9999 %');
  assert.equal(formatHumane(5787.037, '/s'), '≈ 5,800/s');
  assert.equal(formatHumane(100e9, 'B/day'), '100 GB/day');
  assert.equal(formatHumane(99.8001, '%'), '≈ 99.8 %');
  assert.equal(parseBytes('500 KB'), 500_000);
  assert.equal(parseBytes('1.5MB'), 1_500_000);
  assert.equal(parseBytes(7), 7);
});
