/**
 * The caches that are compared: each with room for all entries and a TTL.
 */
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { LRUCache } from 'lru-cache';
import { systemClock } from '#base/clock';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { type CacheOptions, cacheOptions, createCache, type PolicyName } from '#blocks/cache';
import { type Subject, type SubjectName, TTL_MS } from './subject.ts';

function createLoadstone(policy: PolicyName, entriesMax: number): Subject {
  const options = parseOptions(cacheOptions, { policy, entriesMax, ttlMs: TTL_MS }) as CacheOptions;
  const cache = createCache<number>(options, {
    name: 'bench',
    clock: systemClock,
    random: systemRandom,
    load: async () => ({ value: 1 }),
  });
  return {
    get: cache.get,
    set(key, value) {
      const filling = cache.begin(key);
      if (!(filling instanceof Promise)) filling.keep({ value });
    },
    readThrough: (key) => cache.read(key),
  };
}

function createLruCache(max: number): Subject {
  const cache = new LRUCache<string, number>({ max, ttl: TTL_MS });
  return { get: (key) => cache.get(key), set: (key, value) => void cache.set(key, value) };
}

/** Its memory driver; keys and values as they are, not serialised. */
function createBentocache(maxItems: number): Subject {
  const bento = new BentoCache({
    default: 'memory',
    stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems, serialize: false })) },
  });
  return {
    get: (key) => bento.get({ key }),
    set: (key, value) => void bento.set({ key, value, ttl: TTL_MS }),
    readThrough: (key) => bento.getOrSet({ key, ttl: TTL_MS, factory: async () => 1 }),
  };
}

export function createSubject(name: SubjectName, entries: number): Subject {
  if (name === 'lru-cache') return createLruCache(entries);
  if (name === 'bentocache') return createBentocache(entries);
  if (name === 'map') {
    const map = new Map<string, number>();
    return { get: (key) => map.get(key), set: (key, value) => void map.set(key, value) };
  }
  return createLoadstone(name.slice('loadstone-'.length) as PolicyName, entries);
}
