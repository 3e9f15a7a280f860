/**
 * How caches of several processes hear of each other's changes: an interface, without an engine of its own.
 *
 * A bus may be late and may lose what it was given, but must know when it may have lost something, and say so (`missed`). It
 * beats while it works: who hears no beat for `heartbeatMsMax` takes nothing that is kept for granted.
 */
import type { Answer } from './store.ts';

/** What has changed. With a version: at this place in the history of changes. */
export interface Invalidation {
  keys?: readonly string[] | undefined;
  tags?: readonly string[] | undefined;
  isAll?: boolean | undefined;
  version?: number | undefined;
}

export interface Follower {
  invalidated(invalidation: Invalidation): void;
  /** What was told since the last beat, or before this one, may not have come. */
  missed(): void;
}

export interface InvalidationBus {
  /** Tells the others; resolves when it is certain that they will hear of it, or of having missed something. */
  publish(invalidation: Invalidation): Answer<void>;
  /** Hears what others tell, from now on. @returns to hear no more */
  follow(follower: Follower): Answer<() => void>;
  /** When something was heard last, a beat or a change, by the clock that nobody sets. */
  heardMs(): number;
}
