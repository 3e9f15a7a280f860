/**
 * What window-TinyLFU is the default for, and what it must not cost.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random';
import { recency, zipfWithScans } from './fixture.ts';
import { createGhosts } from './ghosts/ghosts.ts';
import { hashKey } from './hash.ts';
import type { PolicyName } from './policy-names.ts';

/** In per cent. */
function pointsOf(trace: readonly string[], policies: readonly PolicyName[], size: number): number[] {
  const ghosts = createGhosts({ policies, sizes: [size], share: 1 }, { random: seededRandom(1) });
  for (const key of trace) ghosts.requested(hashKey(key, 7));
  return ghosts.ratios(trace.length).map(({ hitRatio }) => 100 * hitRatio);
}

for (const size of [500, 1000, 4000]) {
  test(`Zipf 0.9 with scans, ${size} entries: window-TinyLFU has at least 3 points more than LRU`, (t) => {
    const trace = zipfWithScans({ seed: 1, requests: 400_000 });
    const [tiny = 0, lru = 0] = pointsOf(trace, ['window-tiny-lfu', 'lru'], size);
    t.diagnostic(`${tiny.toFixed(2)} and ${lru.toFixed(2)}`);
    assert(tiny >= lru + 3, `${tiny} and ${lru}`);
  });
}

for (const [size, reach] of [
  [500, 250],
  [500, 500],
  [500, 1500],
  [2000, 1000],
] as const) {
  test(`recency, ${size} entries for a reach of ${reach}: window-TinyLFU has at most 1 point less than LRU`, (t) => {
    const trace = recency({ seed: 2, requests: 600_000 }, reach);
    const [tiny = 0, lru = 0] = pointsOf(trace, ['window-tiny-lfu', 'lru'], size);
    t.diagnostic(`${tiny.toFixed(2)} and ${lru.toFixed(2)}`);
    assert(tiny >= lru - 1, `${tiny} and ${lru}`);
  });
}
