import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashesPerSecondMax, guessChance, idLimits } from './model.ts';

test('the limits that the README states', () => {
  assert.equal(idLimits.processesMax, 128);
  assert.equal(idLimits.perSecondPerProcessMax, 32_000);
  assert.equal(idLimits.burstMax, 32_032);
  assert.equal(new Date(idLimits.lastMs).toISOString(), '2095-09-07T15:47:35.551Z');
  assert.equal(crashesPerSecondMax(8, 30_000), 4);
  assert.equal(crashesPerSecondMax(128, 30_000), 0);
  assert.equal(Math.round(1 / guessChance(1_000_000, 7)), 3_521_615);
});
