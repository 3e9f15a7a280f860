/**
 * How long a value that has come is fresh, and how long it is kept.
 */
import type { Random } from '#base/random';
import type { CacheOptions } from './options.ts';
import { ABSENT, type Entry } from './store.ts';

/** What an origin gives. */
export interface Loaded<V> {
  /** Undefined: there is none. */
  value: V | undefined;
  /** In place of the cache's own. */
  ttlMs?: number | undefined;
  tags?: readonly string[] | undefined;
  /** Where in the history of changes it was read. */
  version?: number | undefined;
}

export interface EntryDeps<V> {
  random: Random;
  /** What an entry takes, roughly; needed where bytes are counted. */
  sizeOf?: ((value: V | undefined, key: string) => number) | undefined;
}

/** Makes entries of what has been read or written. */
export function createEntryMaker<V>(options: CacheOptions, { random, sizeOf }: EntryDeps<V>) {
  const staleForMs = Math.max(options.staleWhileRevalidateMs, options.staleIfErrorMs);
  return (key: string, { value, ttlMs, tags, version }: Loaded<V>): Entry<V> => {
    const isAbsent = value === undefined;
    const wholeMs = isAbsent ? options.negativeTtlMs : (ttlMs ?? options.ttlMs);
    const jitter = options.ttlJitter === 0 ? 0 : options.ttlJitter * random.fraction();
    const freshForMs = Math.min(wholeMs * (1 - jitter), options.staleMsMax);
    return {
      value: isAbsent ? ABSENT : value,
      refreshAfterMs: freshForMs * (1 - options.refreshAheadShare),
      freshForMs,
      // What is fresh for no time at all is not kept at all.
      keepForMs: wholeMs === 0 ? 0 : Math.min(freshForMs + staleForMs, options.staleMsMax),
      bytes: options.bytesMax > 0 ? (sizeOf?.(value, key) ?? 0) : 0,
      tags,
      version,
    };
  };
}
