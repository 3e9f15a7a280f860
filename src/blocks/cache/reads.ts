/**
 * Reading through: what is kept, where that may be given, else what the origin gives. Once the origin has failed, a value that
 * may be given in its place is given without asking it again for `errorHoldMs`.
 */
import type { Clock } from '#base/clock';
import { withSignal } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import { decideRead, type FreshnessOptions, mayGiveStale } from './freshness.ts';
import type { Loads } from './loads.ts';
import type { ReadResult } from './metrics.ts';
import { ABSENT, type CacheStore, type Kept } from './store.ts';
import type { Trust } from './trust.ts';

export interface ReadCall {
  /** Ends the wait of this caller, and not the reading, in which others may have a part. */
  signal?: AbortSignal | undefined;
  /** What to do when the origin fails: give what is kept, as old as it may be, or refuse. Default: stale. */
  whenPartitioned?: 'stale' | 'refuse' | undefined;
  /** In place of the cache's own, where it is less. */
  staleMsMax?: number | undefined;
}

export interface ReadsOptions extends FreshnessOptions {
  errorHoldMs: number;
}

export interface ReadsDeps<V> {
  clock: Clock;
  store: Pick<CacheStore<V>, 'get'>;
  loads: Loads<V>;
  trust: Trust;
  counts: Record<ReadResult, number>;
}

/** Keys whose origin has failed lately; of more, the one that failed first is asked again. */
export const HELD_MAX = 1000;

function createHolds(errorHoldMs: number) {
  const until = new Map<string, number>();
  return {
    isHeld: (key: string, nowMs: number) => nowMs < (until.get(key) ?? Number.NEGATIVE_INFINITY),
    hold(key: string, nowMs: number): void {
      until.delete(key);
      if (until.size >= HELD_MAX) {
        const [first] = until.keys();
        until.delete(first as string);
      }
      until.set(key, nowMs + errorHoldMs);
    },
    release: (key: string) => void until.delete(key),
  };
}

const givenOf = <V>({ value }: Kept<V>): V | undefined => (value === ABSENT ? undefined : value);

/** Reads what could not be answered at once. */
export function createReads<V>(options: ReadsOptions, deps: ReadsDeps<V>) {
  const { clock, store, loads, trust, counts } = deps;
  const holds = createHolds(options.errorHoldMs);

  function freshnessFor({ staleMsMax }: ReadCall): FreshnessOptions {
    if (staleMsMax === undefined || staleMsMax >= options.staleMsMax) return options;
    return { ...options, staleMsMax };
  }

  function giveStale(kept: Kept<V>): V | undefined {
    counts.stale += 1;
    return givenOf(kept);
  }

  /** The one that is given meanwhile is good enough: a failure shows in the metrics. */
  function refresh(key: string): void {
    const nowMs = clock.monotonicMs();
    if (holds.isHeld(key, nowMs)) return;
    loads.load(key).then(
      () => holds.release(key),
      () => holds.hold(key, clock.monotonicMs()),
    );
  }

  async function readOrigin(key: string, kept: Kept<V> | undefined, call: ReadCall): Promise<V | undefined> {
    const freshness = freshnessFor(call);
    const isKeptGood = () =>
      kept !== undefined &&
      call.whenPartitioned !== 'refuse' &&
      mayGiveStale(kept, clock.monotonicMs(), freshness);
    if (kept && isKeptGood() && holds.isHeld(key, clock.monotonicMs())) return giveStale(kept);
    try {
      const loading = loads.load(key);
      const value = await (call.signal ? withSignal(loading, call.signal) : loading);
      counts.load += 1;
      holds.release(key);
      return value;
    } catch (error) {
      const isTheirs = call.signal?.aborted === true;
      if (!isTheirs && kept && isLoadstoneError(error) && error.retryable && isKeptGood()) {
        // Whether it went meanwhile, because it has changed, is asked again.
        const still = await store.get(key);
        if (still?.filledMs === kept.filledMs) {
          holds.hold(key, clock.monotonicMs());
          return giveStale(kept);
        }
      }
      counts.failed += 1;
      throw error;
    }
  }

  return async (key: string, call: ReadCall): Promise<V | undefined> => {
    call.signal?.throwIfAborted();
    const found = store.get(key);
    const kept = found instanceof Promise ? await found : found;
    if (kept === undefined) return readOrigin(key, undefined, call);
    const nowMs = clock.monotonicMs();
    const decision = decideRead(kept, nowMs, trust.afterMs(nowMs), freshnessFor(call));
    if (decision === 'read') return readOrigin(key, kept, call);
    if (decision === 'refresh') {
      refresh(key);
      counts.refresh += 1;
    } else counts[kept.value === ABSENT ? 'absent' : 'hit'] += 1;
    return givenOf(kept);
  };
}
