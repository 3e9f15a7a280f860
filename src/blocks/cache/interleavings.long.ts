import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSeed } from '#base/testing/seed.fixture';
import { runInterleaving } from './interleavings.fixture.ts';

test('no stale fill in 100,000 seeded interleavings', async (t) => {
  const seed = readSeed();
  const sums = { reads: 0, hits: 0, voided: 0 };
  for (let n = 0; n < 100_000; n++) {
    const { stale, reads, hits, voided } = await runInterleaving((seed + n) | 0, 60);
    assert.deepEqual(stale, []);
    sums.reads += reads;
    sums.hits += hits;
    sums.voided += voided;
  }
  t.diagnostic(`${sums.reads} reads, ${sums.hits} hits, ${sums.voided} fills overtaken`);
});
