/**
 * The two ports of this block. Each has a memory engine (tests, simulations) and a Postgres engine; both pass
 * store.suite.ts.
 */

/**
 * A worker number taken for one holder: it may issue ids with floorMs < timeMs ≤ highMs, and nobody else ever
 * may.
 */
export interface TakenWorker {
  worker: number;
  /** Grows at each taking and release of the worker: the fence. */
  epoch: number;
  /** The end of all ranges given for this worker before, in Unix milliseconds. */
  floorMs: number;
}

export interface TakeRequest {
  /** Who asks, for people who read the table. */
  holder: string;
  /** The asker's clock, in whole Unix milliseconds. */
  nowMs: number;
  /** The end of the range that it asks for; after `nowMs`. */
  highMs: number;
}

/**
 * Worker numbers leased by ranges of milliseconds, so that uniqueness does not hang on clocks that agree:
 * what a holder may issue is bounded by what the store has recorded, and the next holder begins after that.
 */
export interface WorkerLeaseStore {
  /**
   * Takes the least recently used worker whose range ended before `nowMs`, and raises its epoch. Atomic: two
   * at once never get the same. Undefined when there is none.
   */
  take(request: TakeRequest): Promise<TakenWorker | undefined>;
  /**
   * Extends the range to `highMs`, never shortens it. False, and no effect, when the epoch has moved on.
   * Safe to repeat, and safe if it takes effect late or unknown to the caller.
   */
  renew(worker: number, epoch: number, highMs: number): Promise<boolean>;
  /**
   * Ends the range at `highMs`, the last millisecond issued, and raises the epoch, so that a renewal on its
   * way has no effect any more. No effect when the epoch has moved on. The caller has stopped issuing before
   * it calls.
   */
  release(worker: number, epoch: number, highMs: number): Promise<void>;
}

/** Named spaces of short codes: the key of each, and its counter. */
export interface CodeSpaceStore {
  /**
   * The key of the space, which is made with `key` if it is not there. All callers get the same one, for
   * ever.
   */
  open(name: string, key: Uint8Array): Promise<Uint8Array>;
  /**
   * Moves the counter of an opened space on by `count` and gives its value before: the caller owns the
   * `count` numbers from there. Atomic: no number is given twice.
   */
  lease(name: string, count: number): Promise<number>;
}
