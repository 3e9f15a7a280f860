/**
 * The ports on an engine, and jobs to try them with.
 */
import type { Queryable } from '#blocks/database';
import type { PreparedJob } from './job.ts';
import type { CompleteAndClaimRequest, JobInspectionStore, JobStore, MaintenanceStore } from './store.ts';

export interface SuiteStores {
  jobs: JobStore;
  inspection: JobInspectionStore;
  maintenance: MaintenanceStore;
  transact<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
}

export const PLACEMENT = { workspaceId: '7', bucket: 3 };
/** Scores as migrations read them: 4,096 a millisecond. */
const ORIGIN_MS = Date.UTC(2026, 0, 1);
export const scoreAt = (runAtMs: number, order = 0) => (runAtMs - ORIGIN_MS) * 4096 + order;

let jobs = 0;

/** A job that is ready, in line after those made before. */
export function makeJob(queue: string, over: Partial<PreparedJob> = {}): PreparedJob {
  const number = ++jobs;
  const runAtMs = over.runAtMs ?? Date.now() - 10_000;
  return {
    ...PLACEMENT,
    jobId: String(1_000_000 + number),
    queue,
    priority: 0,
    score: scoreAt(runAtMs, number % 4096),
    runAtMs,
    isScheduled: false,
    attemptsMax: 3,
    uniqueKey: undefined,
    onDuplicate: 'reject',
    concurrencyKey: undefined,
    traceparent: undefined,
    payload: JSON.stringify({ number }),
    isDropped: false,
    ...over,
  };
}

let queues = 0;
/** Tests share a database: each takes a queue of its own. */
export const freshQueue = () => `queue_${++queues}`;

/** A turn that neither ends nor takes anything, for the test to fill in. */
export function makeTurn(
  queue: string,
  over: Partial<CompleteAndClaimRequest> = {},
): CompleteAndClaimRequest {
  const nowMs = Date.now();
  return {
    queue,
    worker: 'tester',
    lease: undefined,
    nowMs,
    untilMs: nowMs + 30_000,
    concurrency: 10,
    endedTotal: 0,
    done: [],
    failed: [],
    progress: [],
    kept: [],
    want: 0,
    fromScore: -(2 ** 53) + 1,
    lateArrivals: [],
    perKey: undefined,
    ...over,
  };
}
