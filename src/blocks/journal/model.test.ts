import assert from 'node:assert/strict';
import { test } from 'node:test';
import { journalLimits, outageMs } from './model.ts';

test('the limits that the README states', () => {
  assert.equal(journalLimits.frameBytes, 20);
  assert.equal(journalLimits.recordBytesMax, 262_144);
  assert.equal(Math.round(outageMs(2 ** 30, 1000, 200) / 60_000), 81);
});
