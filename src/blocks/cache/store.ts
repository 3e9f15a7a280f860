/**
 * The port: where values are kept. An engine in memory answers at once, another by a promise; whoever asks takes both.
 *
 * Fills. Between the moment at which a value is read at its origin and the moment at which it is kept, it may have changed. So
 * whoever is going to read begins a fill first, and gives its ticket when it brings the value; an invalidation in between
 * makes the ticket void. What is void is not kept, and whoever is told so may still give the value to those who have
 * asked before the change.
 *
 * Versions. A change may carry a number that only grows, such as the log position of its commit. From then on the key has a
 * floor: `begin` tells it, so that the value is read where that position has been reached, and a value that says that it is older
 * is not kept.
 */

/** An answer now, or later. */
export type Answer<T> = T | Promise<T>;

/** Stands for "there is none", where that is what is known. */
export const ABSENT: unique symbol = Symbol('absent');

export type Held<V> = V | typeof ABSENT;

/** What is to be kept. Times are from now on. */
export interface Entry<V> {
  value: Held<V>;
  /** After which a hit should have it read anew, in the background. */
  refreshAfterMs: number;
  /** For which it is fresh. */
  freshForMs: number;
  /** For which it is kept at all. */
  keepForMs: number;
  /** What it takes; 0 where bytes are not counted. */
  bytes: number;
  /** By which it can be invalidated together with others. */
  tags?: readonly string[] | undefined;
  /** Where in the history of changes it was read. */
  version?: number | undefined;
}

/** What is kept. Moments are on the clock of this process that nobody sets. */
export interface Kept<V> {
  value: Held<V>;
  filledMs: number;
  refreshMs: number;
  freshUntilMs: number;
  version: number | undefined;
}

export interface Fill {
  /** Of this store, until it is given back; never given out again. */
  ticket: number | string;
  /** The version that must have been reached where the value is read; 0 when any will do. */
  atLeast: number;
}

/** `kept`; `void`: changed meanwhile; `outdated`: older than what is known to be there; `refused`: larger than allowed, or to be kept for no time. */
export type FillOutcome = 'kept' | 'void' | 'outdated' | 'refused';

export interface StoreCounts {
  entries: number;
  bytes: number;
  /** Gone for want of room, since the start. */
  evicted: number;
  /** Gone because their time was over. */
  expired: number;
  /** Fills that brought what had been changed meanwhile, or was older than what is known. */
  voided: number;
  /** Larger than allowed. */
  refused: number;
}

export interface CacheStore<V> {
  /**
   * Only of engines in this process: the value of an entry that is before its refresh, and a hit counted. Undefined says
   * nothing; `get` does. @param nowMs by the clock that nobody sets
   */
  fresh?(key: string, nowMs: number): Held<V> | undefined;
  /** What is kept, also when it is no longer fresh. Counts as a request for the eviction of others. */
  get(key: string): Answer<Kept<V> | undefined>;
  /** A fill begins. Each is ended by `fill` or by `abandon`. */
  begin(key: string): Answer<Fill>;
  /** A fill has brought a value. Ends it. */
  fill(key: string, fill: Fill, entry: Entry<V>): Answer<FillOutcome>;
  /**
   * The origin has taken this value, by a write before which the fill was begun. Kept unless the key has changed since; if it
   * has, nothing of it is kept, since the order of the two is not known. Either way other fills of it under way are void. Ends it.
   */
  write(key: string, fill: Fill, entry: Entry<V>): Answer<FillOutcome>;
  /** A fill has brought nothing. Ends it; safe to call again. */
  abandon(key: string, fill: Fill): Answer<void>;
  /** Keeps what is known to be the newest, such as what was just written. Fills of the key that are under way are void. */
  put(key: string, entry: Entry<V>): Answer<FillOutcome>;
  /**
   * These have changed: what is kept of them goes, and fills under way are void. With a version, what was read there or later
   * stays, and is the floor of fills from now on.
   */
  invalidate(keys: readonly string[], version?: number): Answer<void>;
  /** The same for all entries with one of these tags, and for fills under way that turn out to have one. */
  invalidateTags(tags: readonly string[], version?: number): Answer<void>;
  /** The same for everything. */
  clear(version?: number): Answer<void>;
  /** What is kept stays, but `fresh` no longer answers with it, and fills under way are void: changes may have been missed. */
  distrust(): Answer<void>;
  /** Lets go of what is over. Looks at so many entries at most. */
  sweep(entriesMax: number): Answer<void>;
  counts(): StoreCounts;
}
