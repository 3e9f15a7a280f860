/**
 * The ports of this block: what it asks of the database. One engine so far, Postgres; it passes store.suite.ts.
 */
import type { Queryable } from '#blocks/database';
import type { PerKey } from './definition.ts';
import type { ClaimedJob, PreparedJob } from './job.ts';
import type { GoneBy } from './machine.ts';

/** A worker's place on a queue. Opaque to it: it gives the next turn what the last one gave. */
export interface Lease {
  /** Ends with each call: a turn that names an older one has no effect. */
  fence: string;
  /** No lease of the queue that still holds is older. */
  fenceFrom: string;
}

export interface DoneJob {
  jobId: string;
  /** JSON; undefined when the handler returned nothing. */
  result: string | undefined;
}

export interface FailedJob {
  jobId: string;
  error: string;
  /** When and where in line it is tried again; undefined for one that is dead. */
  retry: { runAtMs: number; score: number } | undefined;
}

export interface CompleteAndClaimRequest {
  queue: string;
  /** Who asks, for people. */
  worker: string;
  /** Undefined for a first turn. */
  lease: Lease | undefined;
  nowMs: number;
  /** When the new lease runs out unless there is another turn. */
  untilMs: number;
  concurrency: number;
  /** Jobs that have ended since the worker began, these included. */
  endedTotal: number;
  done: readonly DoneJob[];
  failed: readonly FailedJob[];
  progress: readonly { jobId: string; value: string }[];
  /** What stays in flight. What was in flight and is not named anywhere in the request is given back. */
  kept: readonly ClaimedJob[];
  /** How many more to take. */
  want: number;
  /** Jobs below this score are passed over, except those with exactly the scores `lateArrivals`. */
  fromScore: number;
  lateArrivals: readonly number[];
  /** The queue's limits for concurrency keys. */
  perKey: PerKey | undefined;
}

export type CompleteAndClaim =
  | { kind: 'lost' }
  | {
      kind: 'held';
      lease: Lease;
      /** In the order of scores, late arrivals first; a few more than wanted if there were late arrivals. */
      jobs: ClaimedJob[];
      /** Of their payloads, in characters of JSON. */
      payloadLength: number;
      /** Whether there may be more in line. */
      isFull: boolean;
      /** Where the line was read to. */
      lastScore: number | undefined;
      /** Scores of jobs that the turn made ready and may not have taken: late arrivals of the next one. */
      released: number[];
      /** When jobs held back by their key's rate are to be looked at again: by another turn. */
      releaseAtMs: number | undefined;
    };

export interface Reaped {
  queue: string;
  worker: string;
  jobs: number;
  /** Those of them that had no attempt left. */
  dead: { jobId: string; attempts: number; traceparent: string | undefined }[];
}

export interface JobStore {
  /**
   * Writes the jobs in the caller's transaction, in one round trip. Those that are dropped are not written.
   * @throws job_duplicate when one that is to be rejected has a twin
   */
  insert(tx: Queryable, jobs: readonly PreparedJob[]): Promise<void>;
  /**
   * Writes and commits the jobs in a single round trip, if the engine can; false, and no effect, if they need a
   * transaction. @throws outcome_unknown when the answer was lost
   */
  insertAlone(jobs: readonly PreparedJob[]): Promise<boolean>;
  /**
   * Records what has ended, renews the lease and takes more jobs: atomic, and exclusive per queue. A job is in at most
   * one lease. Not taken are jobs whose unique key or, beyond the limit, concurrency key is in flight.
   */
  completeAndClaim(request: CompleteAndClaimRequest): Promise<CompleteAndClaim>;
  /** Ends the lease; what was in flight under it is given back. No effect when it has been lost. */
  leave(queue: string, lease: Lease): Promise<void>;
  /** For each queue the lowest score from the one given of a ready job in nobody's hand, or undefined. */
  look(queues: readonly { queue: string; fromScore: number }[]): Promise<{
    lowest: (number | undefined)[];
    /** When the next scheduled job of any queue is due. */
    dueMs: number | undefined;
    /** When the first lease of any queue ends, unless it is renewed. */
    leaseEndsMs: number | undefined;
  }>;
  /** Makes up to `limit` scheduled jobs ready whose time has come, and gives their scores. */
  promote(nowMs: number, limit: number): Promise<{ queue: string; scores: number[] }[]>;
  /** Ends the leases of these queues that have run out: their jobs count one failed attempt more. */
  reap(queues: readonly string[], nowMs: number): Promise<Reaped[]>;
}

/** What is known of a job, wherever it is. */
export interface StoredJob {
  jobId: string;
  workspaceId: string;
  queue: string;
  state: 'scheduled' | 'ready' | 'held' | 'running' | 'done' | 'dead' | GoneBy;
  attempts: number;
  /** Undefined once finished, as are the next four. */
  attemptsMax: number | undefined;
  priority: number | undefined;
  runAtMs: number | undefined;
  uniqueKey: string | undefined;
  concurrencyKey: string | undefined;
  /** JSON, as the handler gave it; undefined unless it runs. */
  progress: string | undefined;
  /** Of the last failed attempt; undefined once finished. */
  lastError: string | undefined;
  /** When it was done or gone or died. */
  finishedMs: number | undefined;
  /** When it was enqueued, as its id says. */
  enqueuedMs: number;
  /** JSON: the result of one that is done; the id of its successor for one that was replaced. */
  detail: string | undefined;
  /** Who has it in flight. */
  worker: string | undefined;
}

export interface JobFilter {
  queue?: string | undefined;
  workspaceId?: string | undefined;
  state?: StoredJob['state'] | undefined;
  /** Jobs with smaller ids only. */
  beforeId?: string | undefined;
  limit: number;
}

/** How many wait, by their state, and between when the scheduled ones were to run. */
export interface WaitingJobs {
  ready: number;
  scheduled: number;
  held: number;
  firstRunAtMs: number | undefined;
  lastRunAtMs: number | undefined;
}

/** What a waiting job waits for: see why.ts. */
export interface WaitCircumstances {
  job: StoredJob;
  /** Whether its unique key is in flight with another job. */
  hasTwin: boolean;
  /** Jobs in flight with its concurrency key. */
  ofKey: number;
  /** When its key's rate lets a next job start; undefined if it does now. */
  rateOpensMs: number | undefined;
  workers: number;
  /** Ready jobs before it in line, counted up to 10,000. */
  ahead: number;
}

export interface JobInspectionStore {
  find(jobId: string): Promise<StoredJob | undefined>;
  /** Newest first. */
  list(filter: JobFilter): Promise<StoredJob[]>;
  facts(jobId: string): Promise<WaitCircumstances | undefined>;
  /** Puts dead jobs back at the given scores, with all their attempts; gives the ids of those it did. */
  redrive(jobs: readonly { jobId: string; score: number }[], nowMs: number): Promise<string[]>;
  /** Makes a scheduled job ready now; false when it is not scheduled. */
  hasten(jobId: string, score: number, nowMs: number): Promise<boolean>;
  /** Takes waiting jobs of the queue out of it, those in flight excepted; gives the ids of those it did. */
  withdraw(queue: string, jobIds: readonly string[], by: GoneBy, nowMs: number): Promise<string[]>;
  /** Discards dead jobs; gives the ids of those it did. */
  discardEach(jobIds: readonly string[], nowMs: number): Promise<string[]>;
  /** Jobs of the queue that are in nobody's hand. */
  waiting(queue: string): Promise<WaitingJobs>;
  /** Ids of up to `limit` jobs of the queue that are in nobody's hand: the lowest priorities, and of those the last. */
  leastWorthy(queue: string, limit: number): Promise<string[]>;
}

export interface QueueMeasure {
  queue: string;
  /** Not in flight: ready, scheduled and held. */
  waiting: number;
  scheduled: number;
  held: number;
  running: number;
  dead: number;
  /** Of the jobs that are ready. */
  lowestPriority: number | undefined;
  oldestMs: number | undefined;
  workers: number;
  /** Jobs that ended a second: see throughput.ts. */
  endedPerS: number;
  measuredMs: number;
}

/** A queue counted just now; `ended` by worker, since it began. */
export interface QueueCount extends Omit<QueueMeasure, 'endedPerS' | 'measuredMs' | 'workers'> {
  ended: ReadonlyMap<string, number>;
}

export interface MaintenanceStore {
  /** Counts every job: as costly as there are jobs. */
  count(nowMs: number): Promise<QueueCount[]>;
  /** Tells the other processes. */
  publish(measures: readonly QueueMeasure[]): Promise<void>;
  measures(): Promise<QueueMeasure[]>;
  /** Makes the history's next days and drops those older than `keepMs`. */
  rotateHistory(nowMs: number, keepMs: number): Promise<number>;
  /** Deletes up to `limit` jobs that died before; gives how many. */
  forgetDead(beforeMs: number, limit: number): Promise<number>;
  /** Releases held jobs whose keys are in nobody's hand, and forgets rates that no longer bind; gives how many. */
  releaseOrphans(nowMs: number): Promise<number>;
}

export interface ScheduleStore {
  /** When each was last carried out; those never carried out begin at `nowMs`. */
  lastRuns(
    schedules: readonly { name: string; pattern: string }[],
    nowMs: number,
  ): Promise<Map<string, number>>;
  /** In the transaction: moves `name` on from `fromMs` to `toMs`; false when another process has. */
  advance(tx: Queryable, name: string, fromMs: number, toMs: number): Promise<boolean>;
}
