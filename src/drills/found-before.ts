/**
 * What was there before a drill began.
 */

export interface Before {
  /** By the names of the systems. */
  readonly systems: ReadonlyMap<string, BeforeSystem>;
  /** Ids of all jobs that there are or have been. */
  readonly jobs: ReadonlySet<string>;
}

export interface BeforeSystem {
  /** What each item holds, by its id. */
  readonly held: ReadonlyMap<string, string>;
  /** Ids of all items that there are or have been. */
  readonly ids: ReadonlySet<string>;
}

export const NOTHING_BEFORE: Before = { systems: new Map(), jobs: new Set() };
