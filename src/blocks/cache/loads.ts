/**
 * Reading from the origin: once for all who ask for a key at the same time. Those who ask after a change do not share a
 * reading that began before it.
 *
 *   asked ──nobody reads it──▶ reading ──▶ kept, or void (given to those who asked before the change, and not kept)
 *                                 │ ──▶ older than a known change: read again, up to outdatedLoadsMax times
 *                                 └──▶ failed or late: all who wait are told, with one code
 */
import type { Clock } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { type ErrorFactory, isLoadstoneError, type LoadstoneError } from '#base/errors';
import type { Loaded } from './entries.ts';
import { cacheErrors } from './errors.ts';
import type { CacheStore, Entry, Fill } from './store.ts';

export interface LoadCall {
  /** Aborts when the reading takes too long. */
  signal: AbortSignal;
  /** The version that must have been reached where the value is read; 0 when any will do. */
  atLeast: number;
}

export type Loader<V> = (key: string, call: LoadCall) => Promise<Loaded<V>>;

export interface LoadsOptions {
  loadsMax: number;
  loadTimeoutMs: number;
  outdatedLoadsMax: number;
}

export interface LoadsDeps<V> {
  clock: Clock;
  store: Pick<CacheStore<V>, 'begin' | 'fill' | 'abandon'>;
  load: Loader<V>;
  entryOf(key: string, loaded: Loaded<V>): Entry<V>;
}

export interface Loads<V> {
  /** Rejects with a coded error. Whoever need not wait any longer leaves; the reading goes on. */
  load(key: string): Promise<V | undefined>;
  /** Who asks from now on does not share a reading that has begun. */
  forget(key: string): void;
  forgetAll(): void;
  /** Readings that have not ended at their origin, also such as nobody waits for any more. */
  underWay(): number;
  counts: { begun: number; failed: number; shared: number };
}

/** As it is when it has a code; else with this one. */
export function coded(error: unknown, otherwise: ErrorFactory): LoadstoneError {
  if (isLoadstoneError(error)) return error;
  return otherwise({ cause: error });
}

/** @param options its bounds */
export function createLoads<V>(options: LoadsOptions, deps: LoadsDeps<V>): Loads<V> {
  const { clock, store, load, entryOf } = deps;
  const shared = new Map<string, Promise<V | undefined>>();
  const counts = { begun: 0, failed: 0, shared: 0 };
  let running = 0;
  /** Calls of the origin that were given up and have not returned. */
  let hanging = 0;

  async function ask(key: string, { atLeast }: Fill): Promise<Loaded<V>> {
    const deadline = createDeadline(clock, options.loadTimeoutMs);
    let hasReturned = false;
    const work = (async () => load(key, { signal: deadline.signal, atLeast }))().finally(() => {
      hasReturned = true;
    });
    try {
      return await withSignal(work, deadline.signal);
    } catch (error) {
      if (!deadline.signal.aborted) throw error;
      if (!hasReturned) {
        hanging += 1;
        const returned = () => {
          hanging -= 1;
        };
        work.then(returned, returned);
      }
      throw cacheErrors.cache_load_late({
        detail: `not read within ${options.loadTimeoutMs} ms`,
        cause: error,
      });
    } finally {
      deadline.done();
    }
  }

  async function run(key: string): Promise<V | undefined> {
    for (let n = 0; n < options.outdatedLoadsMax; n++) {
      const begun = store.begin(key);
      const fill = begun instanceof Promise ? await begun : begun;
      try {
        const loaded = await ask(key, fill);
        const isOutdated = loaded.version !== undefined && loaded.version < fill.atLeast;
        if (isOutdated) continue;
        const outcome = await store.fill(key, fill, entryOf(key, loaded));
        if (outcome !== 'outdated') return loaded.value;
      } finally {
        await store.abandon(key, fill);
      }
    }
    throw cacheErrors.cache_load_outdated();
  }

  return {
    counts,
    underWay: () => running + hanging,
    forget: (key) => void shared.delete(key),
    forgetAll: () => shared.clear(),
    load(key) {
      const known = shared.get(key);
      if (known) {
        counts.shared += 1;
        return known;
      }
      if (running + hanging >= options.loadsMax) {
        return Promise.reject(cacheErrors.cache_loads_full({ retryAfterS: 1 }));
      }
      running += 1;
      counts.begun += 1;
      const loading = run(key)
        .catch((error: unknown) => {
          counts.failed += 1;
          throw coded(error, cacheErrors.cache_load_failed);
        })
        .finally(() => {
          running -= 1;
          if (shared.get(key) === loading) shared.delete(key);
        });
      // Those who waited may all have left.
      loading.catch(() => {});
      shared.set(key, loading);
      return loading;
    },
  };
}
