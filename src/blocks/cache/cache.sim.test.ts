import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSeed } from '#base/testing/seed.fixture';
import { runInterleaving } from './interleavings.fixture.ts';

const INTERLEAVINGS = 1000;
const STEPS = 60;

test('no stale fill in seeded interleavings of reads, changes and writes', async () => {
  const seed = readSeed();
  const sums = { reads: 0, hits: 0, voided: 0 };
  for (let n = 0; n < INTERLEAVINGS; n++) {
    const { stale, reads, hits, voided } = await runInterleaving((seed + n) | 0, STEPS);
    assert.deepEqual(stale, []);
    sums.reads += reads;
    sums.hits += hits;
    sums.voided += voided;
  }
  assert(sums.hits > sums.reads / 20, 'the cache was of use');
  assert(sums.voided > INTERLEAVINGS / 10, 'fills were overtaken');
});
