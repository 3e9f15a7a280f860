/**
 * What this block can do, as numbers for the planner: CPU per job on one core of the 2-core build machine, trivial jobs,
 * payloads of 24 bytes (bench/queue.ts).
 */

import { indexBytes, rowBytes } from '#blocks/database';

export const queueCosts = {
  /** Of the enqueuing process, in batches of 100; single enqueues, grouped, cost 10 µs each. */
  enqueueUs: 2.5,
  /** Of Postgres. */
  enqueuePostgresUs: 5,
  /** Of the worker process, besides the handler. */
  workUs: 6,
  /** Of Postgres: claim, completion and history. */
  workPostgresUs: 7,
} as const;

export const queueLimits = {
  /** Enqueued by one process: an id each, of which its worker number gives so many. */
  enqueuedPerSPerProcessMax: 32_000,
  /** Turns on one queue come one after the other, over all workers; each takes a few milliseconds. */
  turnsPerSPerQueueMax: 300,
  /** Until the jobs of a killed worker run again: the lease, and a second to notice. */
  crashedJobMs: (leaseMs: number) => leaseMs + 1500,
} as const;

/** Of a job that is done: ids, time, counts; a queue's name, an outcome. */
const DONE_BYTES = 24 + 4 + 14 + 5;

/** Bytes of a finished job in the history, with its index, for `historyMs`. */
export const doneJobBytes = rowBytes(DONE_BYTES) + indexBytes(8, true);

/** Workers needed to end `perS` jobs a second whose handlers take `handlerMs`, each running `concurrency` of them. */
export function workersNeeded(perS: number, handlerMs: number, concurrency: number): number {
  const byHandlers = (perS * handlerMs) / 1000 / concurrency;
  const byCpu = (perS * queueCosts.workUs) / 1e6;
  return Math.max(1, Math.ceil(Math.max(byHandlers, byCpu)));
}

/** The longest that a job of priority 0 is overtaken by younger ones of priority 9. */
export function overtakenMsMax(priorityStepMs: number): number {
  return 9 * priorityStepMs;
}
