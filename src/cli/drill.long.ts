/**
 * One installation, drilled again and again, with the same seed too.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSeed } from '#base/testing/seed.fixture';
import { drillWell, startTestInstallation } from './drill.fixture.ts';
import { createScene } from './process.fixture.ts';

const RUNS = Number(process.env.LOADSTONE_RUNS ?? 3);

test('a test installation outlives drills, and none counts the links of another', {
  skip: process.platform !== 'linux' && 'drills need /proc',
}, async (t) => {
  const scene = createScene(t);
  const { server, isAsBefore } = await startTestInstallation(scene);
  const seed = String(readSeed() % 2 ** 31);
  t.diagnostic(`seed ${seed} (the same again: LOADSTONE_SEED=${seed})`);
  for (let run = 0; run < RUNS; run++) {
    const args = ['quick', '--seconds', '12', '--rate', '40', '--seed', seed];
    const before = await drillWell(scene, server.data, args);
    assert.equal(before === '4 of links', run === 0, before);
    await isAsBefore();
  }
});
