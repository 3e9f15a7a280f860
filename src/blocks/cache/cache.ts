/**
 * A cache: values by key, read through from their origin or put in by whoever reads it, kept in a store, and forgotten when they
 * change, here or elsewhere.
 */
import assert from 'node:assert/strict';
import { createCoarseTime } from '#base/clock';
import type { Lifecycle } from '#base/lifecycle';
import { type Log, silentLog } from '#base/log';
import type { Metrics } from '#base/metrics';
import type { Random } from '#base/random';
import type { Runtime } from '#base/runtime';
import { createBeat } from './beat.ts';
import type { Invalidation, InvalidationBus } from './bus.ts';
import { createEntryMaker, type Loaded } from './entries.ts';
import { cacheErrors } from './errors.ts';
import { createGhosts, type GhostRatio } from './ghosts/ghosts.ts';
import { createHotKeys, type HotKey } from './hot-keys.ts';
import { coded, createLoads, type Loader } from './loads.ts';
import { emitCacheMetrics, READ_RESULTS, type ReadResult } from './metrics.ts';
import type { CacheOptions } from './options.ts';
import { createReads, type ReadCall } from './reads.ts';
import {
  ABSENT,
  type Answer,
  type CacheStore,
  type Fill,
  type FillOutcome,
  type StoreCounts,
} from './store.ts';
import { createMemoryStore } from './stores/memory.ts';
import { createTrust } from './trust.ts';
import { createWrites, type Writer } from './writes/writes.ts';

export interface CacheDeps<V> extends Pick<Runtime, 'clock' | 'random'> {
  /** Of the cache, in snake case: in metrics, logs and errors. */
  name: string;
  log?: Log | undefined;
  metrics?: Metrics | undefined;
  /** Reads the origin; for `read`. */
  load?: Loader<V> | undefined;
  /** Writes the origin; for the three ways to write. */
  write?: Writer<V> | undefined;
  /** In place of one in memory. */
  store?: CacheStore<V> | undefined;
  /** Tells and hears of changes in other processes. */
  bus?: InvalidationBus | undefined;
  /** What an entry takes, roughly; needed where bytes are counted. */
  sizeOf?: ((value: V | undefined, key: string) => number) | undefined;
}

/** A value that whoever asked is going to read for himself. */
export interface Filling<V> {
  /** The version that must have been reached where it is read; 0 when any will do. */
  atLeast: number;
  /** Keeps it, unless it has changed meanwhile. */
  keep(loaded: Loaded<V>): Answer<FillOutcome>;
  /** It could not be read. A filling that neither keeps nor abandons counts as under way for ever. */
  abandon(): Answer<void>;
}

export interface Cache<V> extends Lifecycle {
  /** Cache-aside: the value, if it is kept and fresh. A value that is not there (`absent`) is undefined too. */
  get(key: string): Answer<V | undefined>;
  /** Cache-aside: to be called before the origin is read. @throws cache_loads_full */
  begin(key: string): Answer<Filling<V>>;
  /** Read-through: at once when it is kept in memory, else when the origin has answered. Undefined: there is none. */
  read(key: string, call?: ReadCall): Answer<V | undefined>;
  /** The origin takes it, then it is kept. Rejects as the origin does, and nothing of the key is kept. */
  writeThrough(key: string, value: V): Promise<void>;
  /** The origin takes it, and what was kept goes: for what is seldom read after it was written. */
  writeAround(key: string, value: V): Promise<void>;
  /** It is read from now on, and the origin takes it later. @throws cache_writes_full */
  writeBehind(key: string, value: V): Answer<void>;
  /** It has changed, here or elsewhere. Resolves when the others are certain to hear of it. */
  invalidate(keys: readonly string[], version?: number): Answer<void>;
  invalidateTags(tags: readonly string[], version?: number): Answer<void>;
  /** Everything has changed. */
  clear(version?: number): Answer<void>;
  counts(): StoreCounts & { reads: Readonly<Record<ReadResult, number>> };
  /** What other sizes and policies would give; empty without `ghostShare`. */
  ghosts(): GhostRatio[];
  /** The keys asked for most, by a sample of the reads; empty without `hotKeysMax`. */
  hot(keys: number): HotKey[];
}

/** Sizes that are tried, in shares of the size there is. */
const GHOST_SIZES = [0.25, 0.5, 1, 2, 4];
const GHOST_POLICIES = ['window-tiny-lfu', 'sieve', 'lru'] as const;
/** Every so many reads are counted for the hot keys: a power of two. */
const HOT_EVERY = 16;
/** Fills of readers, of writers and of those who read for themselves, each as many as loads. */
const FILLS_PER_LOAD = 3;

/** One answer for both kinds of store. */
function chain<T, R>(answer: Answer<T>, next: (value: T) => Answer<R>): Answer<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}

function createObservers(options: CacheOptions, random: Random) {
  const { ghostShare: share, hotKeysMax: keysMax, entriesMax } = options;
  const policies = [...new Set([...GHOST_POLICIES, options.policy])];
  const sizes = GHOST_SIZES.map((size) => Math.max(1, Math.round(entriesMax * size)));
  return {
    ghosts: share > 0 ? createGhosts({ policies, sizes, share }, { random }) : undefined,
    hotKeys: keysMax > 0 ? createHotKeys({ keysMax }) : undefined,
  };
}

/** @param options bounds and times @param deps without `load` it is for cache-aside only */
export function createCache<V>(options: CacheOptions, deps: CacheDeps<V>): Cache<V> {
  const { name, clock, random, log = silentLog, metrics, bus, sizeOf } = deps;
  assert(options.bytesMax === 0 || sizeOf, 'bytes are counted by sizeOf');
  const { ghosts, hotKeys } = createObservers(options, random);
  const sampler = ghosts && { below: options.ghostShare * 2 ** 32, requested: ghosts.requested };
  const fillsMax = FILLS_PER_LOAD * options.loadsMax + options.writeBatchMax;
  const store: CacheStore<V> =
    deps.store ?? createMemoryStore<V>({ ...options, fillsMax }, { clock, random, sampler });
  const trust = createTrust(options, { clock, bus });
  const entryOf = createEntryMaker<V>(options, { random, sizeOf });
  const reads = Object.fromEntries(READ_RESULTS.map((each) => [each, 0])) as Record<ReadResult, number>;
  const load: Loader<V> =
    deps.load ?? (() => Promise.reject(new assert.AssertionError({ message: `${name} has no load` })));
  const loads = createLoads<V>(options, { clock, store, load, entryOf });
  const readSlowly = createReads<V>(options, { clock, store, loads, trust, counts: reads });
  const writes = createWrites<V>(options, {
    ...{ clock, random, log, store, loads, entryOf },
    write: deps.write,
    tell: (invalidation) => publish(invalidation),
  });
  const timeMs = createCoarseTime(clock);
  let [fillings, turn] = [0, 0];

  function publish(invalidation: Invalidation): Answer<void> {
    if (!bus) return;
    const untold = (cause: unknown) => coded(cause, cacheErrors.cache_invalidation_untold);
    try {
      const told = bus.publish(invalidation);
      if (told instanceof Promise) {
        return told.catch((cause) => {
          throw untold(cause);
        });
      }
    } catch (cause) {
      throw untold(cause);
    }
  }

  /** Readers that have begun are let go of before and after: with an engine elsewhere, some begin in between. */
  function forget({ keys = [], tags = [], isAll = false, version }: Invalidation): Answer<void> {
    const letGo = () => {
      if (isAll || tags.length > 0) loads.forgetAll();
      for (const key of keys) loads.forget(key);
    };
    letGo();
    const gone = [
      isAll ? store.clear(version) : undefined,
      keys.length > 0 ? store.invalidate(keys, version) : undefined,
      tags.length > 0 ? store.invalidateTags(tags, version) : undefined,
    ];
    if (gone.every((each) => each === undefined)) return;
    return Promise.all(gone).then(letGo);
  }

  function distrust(): void {
    trust.lose();
    loads.forgetAll();
    swallow(store.distrust(), 'what may have changed is kept');
  }

  /** Of an engine elsewhere, when nobody waits for it: what it could not do is no longer trusted. */
  function swallow(answer: Answer<void>, what: string): void {
    if (!(answer instanceof Promise)) return;
    answer.catch((error: unknown) => {
      trust.lose();
      log.warn({ err: error, cache: name }, what);
    });
  }

  const change = (invalidation: Invalidation) => chain(forget(invalidation), () => publish(invalidation));

  function countHot(key: string): void {
    turn += 1;
    if (hotKeys && turn % HOT_EVERY === 0) hotKeys.count(key);
  }

  /** What is given without any further thought; undefined when there is something to think about. */
  function giveAtOnce(key: string): { value: V | undefined } | undefined {
    const unwritten = writes.peek(key);
    if (unwritten === undefined) return undefined;
    reads.unwritten += 1;
    return { value: unwritten };
  }

  function createFilling(key: string, fill: Fill): Filling<V> {
    fillings += 1;
    let isOver = false;
    const end = () => {
      if (!isOver) fillings -= 1;
      isOver = true;
    };
    return {
      atLeast: fill.atLeast,
      keep(loaded) {
        end();
        return store.fill(key, fill, entryOf(key, loaded));
      },
      abandon() {
        end();
        return store.abandon(key, fill);
      },
    };
  }

  const lifecycle = createBeat(name, options, {
    ...{ clock, bus, trust, distrust, close: writes.close },
    follower: {
      missed: distrust,
      invalidated: (each) => swallow(forget(each), 'a change could not be forgotten'),
    },
    sweep: () => swallow(store.sweep(options.sweepEntriesMax), 'what is over could not be swept'),
  });
  if (metrics) {
    emitCacheMetrics(metrics, name, { reads, store: store.counts, loads, writes: writes.behind, ghosts });
  }

  return {
    ...lifecycle,
    get(key) {
      if (hotKeys) countHot(key);
      const unwritten = giveAtOnce(key);
      if (unwritten) return unwritten.value;
      const nowMs = timeMs();
      if (store.fresh && trust.isHeard(nowMs)) {
        const held = store.fresh(key, nowMs);
        if (held !== undefined) {
          reads.hit += 1;
          return held === ABSENT ? undefined : held;
        }
      }
      return chain(store.get(key), (kept) => {
        const isTrusted = kept !== undefined && kept.filledMs > trust.afterMs(nowMs);
        const isGood = kept !== undefined && isTrusted && nowMs < kept.freshUntilMs;
        reads[isGood ? 'hit' : 'miss'] += 1;
        return isGood && kept.value !== ABSENT ? kept.value : undefined;
      });
    },
    begin(key) {
      if (fillings >= options.loadsMax) throw cacheErrors.cache_loads_full({ retryAfterS: 1 });
      return chain(store.begin(key), (fill) => createFilling(key, fill));
    },
    read(key, call = {}) {
      if (hotKeys) countHot(key);
      // Who takes nothing older than some age has the age looked at.
      if (store.fresh && writes.isEmpty() && call.staleMsMax === undefined) {
        const nowMs = timeMs();
        const held = trust.isHeard(nowMs) ? store.fresh(key, nowMs) : undefined;
        if (held === ABSENT) {
          reads.absent += 1;
          return undefined;
        }
        if (held !== undefined) {
          reads.hit += 1;
          return held;
        }
      }
      const unwritten = giveAtOnce(key);
      return unwritten ? unwritten.value : readSlowly(key, call);
    },
    writeThrough: writes.through,
    writeAround: writes.around,
    writeBehind: writes.later,
    invalidate: (keys, version) => change({ keys, version }),
    invalidateTags: (tags, version) => change({ tags, version }),
    clear: (version) => change({ isAll: true, version }),
    counts: () => ({ ...store.counts(), reads: { ...reads } }),
    ghosts: () => ghosts?.ratios(READ_RESULTS.reduce((sum, result) => sum + reads[result], 0)) ?? [],
    hot: (keys) => hotKeys?.top(keys) ?? [],
  };
}
