import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overtakenMsMax, queueLimits, workersNeeded } from './model.ts';

test('workers are needed for what handlers take, and at least for the work itself', () => {
  assert.equal(workersNeeded(100, 1000, 10), 10);
  assert.equal(workersNeeded(101, 1000, 10), 11);
  assert.equal(workersNeeded(1, 1, 10), 1);
  assert.equal(workersNeeded(400_000, 0, 10), 3);
});

test('what is promised of crashes and priorities follows from the options', () => {
  assert(queueLimits.crashedJobMs(30_000) <= 35_000);
  assert.equal(overtakenMsMax(60_000), 540_000);
});
