/**
 * A job: what a caller asks for, what is written, and what a handler is given.
 */
import type { JsonValue } from '#base/values/json';

/** As JSON, in UTF-8. */
export const PAYLOAD_BYTES_MAX = 64 * 1024;
export const RESULT_BYTES_MAX = 4 * 1024;
export const PROGRESS_BYTES_MAX = 1024;
export const PRIORITY_MAX = 9;
export const KEY_LENGTH_MAX = 255;
export const ERROR_LENGTH_MAX = 2000;

/** Whose a job is, and where it lies. */
export interface JobPlacement {
  workspaceId: string;
  /** The logical bucket, 0–1023: that of the transaction. */
  bucket: number;
}

/** What to do when a job with the same unique key waits or runs in the queue: see README.md. */
export type OnDuplicate = 'reject' | 'replace' | 'ignore';

/** A job that is to be enqueued, whoever has made it. */
export interface UncheckedJob {
  queue: string;
  /** At most 64 KiB as JSON. */
  payload: JsonValue;
  /** 0, which is the default, to 9, which goes first. */
  priority?: number;
  /** Not before this Unix time. Default: now. */
  runAtMs?: number;
  /** Not before so many milliseconds from now; not together with `runAtMs`. */
  delayMs?: number;
  /** At most one job of the workspace waits in the queue with this key; up to 255 characters. */
  uniqueKey?: string;
  /** Default: reject. */
  onDuplicate?: OnDuplicate;
  /** Jobs of the workspace that share it also share what the queue's definition allows a key (`perKey`). */
  concurrencyKey?: string;
  /** Default: the queue's. */
  attemptsMax?: number;
}

/** A job that has been checked and named, ready to be written. */
export interface PreparedJob extends Readonly<JobPlacement> {
  readonly jobId: string;
  readonly queue: string;
  readonly priority: number;
  /** The place in line: see score.ts. */
  readonly score: number;
  readonly runAtMs: number;
  readonly isScheduled: boolean;
  readonly attemptsMax: number;
  readonly uniqueKey: string | undefined;
  readonly onDuplicate: OnDuplicate;
  readonly concurrencyKey: string | undefined;
  readonly traceparent: string | undefined;
  /** JSON. */
  readonly payload: string;
  /** Its queue is full and drops: it has an id but is not written. */
  readonly isDropped: boolean;
}

/** A job in a worker's hand. */
export interface ClaimedJob extends JobPlacement {
  jobId: string;
  priority: number;
  /** Attempts that have ended before. */
  attempts: number;
  attemptsMax: number;
  traceparent: string | undefined;
  payload: JsonValue;
  /** What it keeps others from: its unique key and its concurrency key, as the leases write them. */
  locks: readonly string[];
}

/** What a handler is given. */
export interface Job<Payload = JsonValue> extends Readonly<JobPlacement> {
  readonly jobId: string;
  readonly queue: string;
  readonly payload: Payload;
  /** 1 for the first. */
  readonly attempt: number;
  readonly attemptsMax: number;
  /** The trace of whoever enqueued it; undefined if there was none. */
  readonly traceparent: string | undefined;
  /**
   * The same in every attempt and different for every job: give it to whatever is called, so that what a lost attempt
   * has done is not done again.
   */
  readonly idempotencyToken: string;
  /** Aborts when the attempt has taken too long, its lease is lost, or the worker stops. Its reason says which. */
  readonly signal: AbortSignal;
  /**
   * Says that the attempt is getting on, to a queue that wants to hear so (`heartbeatMs`). Throws the reason of `signal`
   * once that has aborted, so that a loop which calls it ends in time.
   */
  heartbeat(): void;
  /** A heartbeat that says how far it is, for whoever asks; the last value within a second is kept. At most 1 KiB as JSON. */
  progress(value: JsonValue): void;
}

/**
 * Carries out a job, at least once. What it returns is kept with the finished job: at most 4 KiB as JSON, so a reference
 * where the result is larger. What it throws counts as a failed attempt; `queueErrors.job_non_retryable` as the last one, and
 * `retryAfterS` of a coded error is the least wait before the next.
 */
export type Handler = (job: Job) => Promise<JsonValue> | Promise<void>;
