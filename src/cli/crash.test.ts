/**
 * Three of the rounds of crash.long.ts.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCrashRun, readSeed } from './crash.fixture.ts';
import { createScene } from './process.fixture.ts';

const ROUNDS = 3;

test('kill -9 in the middle of writes loses no acknowledged link and leaves no Postgres', async (t) => {
  const seed = readSeed();
  t.diagnostic(`seed ${seed} (the same again: LOADSTONE_SEED=${seed})`);
  const scene = createScene(t);
  const run = createCrashRun(scene, join(scene.directory(), 'data'), seed);
  for (let round = 0; round < ROUNDS; round++) await run.round();
  await run.finish();
  assert(run.acknowledged.size > ROUNDS);
  t.diagnostic(`${run.acknowledged.size} links`);
});
