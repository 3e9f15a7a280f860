export type { Follower, Invalidation, InvalidationBus } from './bus.ts';
export { type Cache, type CacheDeps, createCache, type Filling } from './cache.ts';
export type { Loaded } from './entries.ts';
export { cacheErrors } from './errors.ts';
export { type AdviseOptions, adviseCache, type CacheAdvice } from './ghosts/advise.ts';
export { createGhosts, type GhostRatio, type Ghosts, type GhostsOptions } from './ghosts/ghosts.ts';
export { createHotKeys, type HotKey, type HotKeys } from './hot-keys.ts';
export type { LoadCall, Loader } from './loads.ts';
export { type CacheOptions, cacheOptions } from './options.ts';
export { NO_SLOT, type Policy } from './policies/policy.ts';
export { createPolicy, NEEDS_HASHES, POLICIES, type PolicyName } from './policy-names.ts';
export type { ReadCall } from './reads.ts';
export {
  ABSENT,
  type Answer,
  type CacheStore,
  type Entry,
  type Fill,
  type FillOutcome,
  type Held,
  type Kept,
  type StoreCounts,
} from './store.ts';
export { createMemoryStore, type MemoryStoreDeps, type MemoryStoreOptions } from './stores/memory.ts';
export type { Write } from './writes/write-behind.ts';
export type { Writer, Written } from './writes/writes.ts';
