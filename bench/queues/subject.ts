/**
 * A job queue under test. All share one Postgres, one process and one payload.
 */

/** Where the subjects find Postgres. */
export interface Server {
  socketDirectory: string;
  port: number;
  database: string;
  user: string;
}

/** Jobs that handlers run at once, for all subjects. */
export const CONCURRENCY = 10;
export const CONNECTIONS_MAX = 10;
export const PAYLOAD = { n: 1, text: 'hello' };

export interface Worker {
  stop(): Promise<void>;
}

export interface Subject {
  name: string;
  /** The settings that matter, for people. */
  settings: string;
  start(): Promise<void>;
  /** Resolves when the job is committed. */
  enqueue(): Promise<void>;
  enqueueMany(count: number): Promise<void>;
  /** Takes jobs as fast as it can and tells `onJob` of each, or of several at once. */
  work(onJob: (jobs: number) => void): Promise<Worker>;
  /** Whether every job is recorded as done. */
  isEmpty(): Promise<boolean>;
  /** Empties the queue. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}
