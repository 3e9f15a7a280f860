/**
 * Twenty kills in the middle of writes, on one data directory.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCrashRun, readSeed } from './crash.fixture.ts';
import { createScene } from './process.fixture.ts';

const ROUNDS = 20;

test('twenty kills lose no acknowledged link', async (t) => {
  const seed = readSeed();
  t.diagnostic(`seed ${seed} (the same again: LOADSTONE_SEED=${seed})`);
  const scene = createScene(t);
  const run = createCrashRun(scene, join(scene.directory(), 'data'), seed);
  for (let round = 1; round <= ROUNDS; round++) {
    await t.test(`round ${round}`, () => run.round());
  }
  await run.finish();
  assert(run.acknowledged.size > ROUNDS);
  t.diagnostic(`${run.acknowledged.size} links`);
});
