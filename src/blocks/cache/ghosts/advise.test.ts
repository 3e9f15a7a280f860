import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random';
import { hashKey } from '../hash.ts';
import { createMemoryStore } from '../stores/memory.ts';
import { adviseCache } from './advise.ts';
import { createGhosts, type GhostRatio } from './ghosts.ts';

const ratio = (policy: GhostRatio['policy'], entriesMax: number, hitRatio: number): GhostRatio => ({
  ...{ policy, entriesMax, hitRatio },
  requests: 10_000,
});
const options = { current: { policy: 'lru', entriesMax: 1000 }, gainMin: 0.01, requestsMin: 1000 } as const;

test('advice: the smallest that is about as good as the best', () => {
  const ratios = [
    ratio('lru', 500, 0.5),
    ratio('lru', 1000, 0.6),
    ratio('lru', 2000, 0.7),
    ratio('window-tiny-lfu', 500, 0.55),
    ratio('window-tiny-lfu', 1000, 0.695),
    ratio('window-tiny-lfu', 2000, 0.7),
  ];
  const advice = adviseCache(ratios, options);
  assert.deepEqual([advice?.policy, advice?.entriesMax], ['window-tiny-lfu', 1000]);
});

test('advice: what there is, when nothing is better, and none after too few requests', () => {
  const ratios = [
    ratio('lru', 500, 0.5),
    ratio('lru', 1000, 0.6),
    ratio('sieve', 1000, 0.605),
    ratio('lru', 2000, 0.6),
  ];
  assert.equal(adviseCache(ratios, options)?.policy, 'lru');
  assert.equal(adviseCache(ratios, options)?.entriesMax, 1000);
  assert.equal(adviseCache([...ratios, { ...ratio('lru', 9, 0.1), requests: 999 }], options), undefined);
  assert.equal(adviseCache(ratios.slice(0, 1), options), undefined);
});

/** What a whole cache would have answered. */
function replay(policy: GhostRatio['policy'], entriesMax: number, keys: readonly string[]): number {
  const clock = { monotonicMs: () => 0, nowMs: () => 0, after: () => ({ cancel() {} }) };
  const store = createMemoryStore<number>(
    { policy, entriesMax, bytesMax: 0, entryBytesMax: 1, fillsMax: 1 },
    { clock, random: seededRandom(1) },
  );
  const times = { refreshAfterMs: 1, freshForMs: 1, keepForMs: 1 };
  let hits = 0;
  for (const key of keys) {
    if (store.get(key)) hits += 1;
    else store.put(key, { value: 1, bytes: 0, ...times });
  }
  return hits / keys.length;
}

test('a tenth of the keys tells the ratios of hits of whole caches, to three points', () => {
  const random = seededRandom(11);
  const keys = Array.from({ length: 200_000 }, () => `key ${Math.floor(20_000 * random.fraction() ** 3)}`);
  const policies = ['lru', 'window-tiny-lfu'] as const;
  const ghosts = createGhosts({ policies, sizes: [1000, 4000], share: 0.1 }, { random });
  for (const key of keys) {
    const hash = hashKey(key, 99);
    if (hash >>> 0 < 0.1 * 2 ** 32) ghosts.requested(hash);
  }
  for (const { policy, entriesMax, hitRatio } of ghosts.ratios(keys.length)) {
    const real = replay(policy, entriesMax, keys);
    assert(Math.abs(real - hitRatio) < 0.03, `${policy} ${entriesMax}: ${hitRatio} for ${real}`);
  }
});
