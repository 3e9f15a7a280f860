/**
 * A cache under test, in a process of its own, so that no subject is slowed by what the compiler has learnt of another.
 */
export interface Subject {
  get(key: string): unknown;
  set(key: string, value: number): void;
  /** Reads through; what is not kept is loaded. */
  readThrough?(key: string): unknown;
}

export const SUBJECTS = [
  'map',
  'loadstone-lru',
  'loadstone-sieve',
  'loadstone-window-tiny-lfu',
  'lru-cache',
  'bentocache',
] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** For all of them. */
export const TTL_MS = 600_000;

export interface Asked {
  subject: SubjectName;
  entries: number;
  seconds: number;
}

/** CPU time, so that whatever else the machine does counts less. */
export interface Measured {
  subject: SubjectName;
  /** For each CPU second. */
  getsPerS: number;
  /** Hits of reading through; absent where it has none. */
  readsPerS?: number;
  /** Heap and buffers, without keys and values. */
  bytesPerEntry: number;
}
