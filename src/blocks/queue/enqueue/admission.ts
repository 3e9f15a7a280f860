/**
 * Back pressure: whether a job may still be enqueued. Decided from the last measurement of the queue and what this
 * process has enqueued and ended since, so it costs no query; the bound is passed by at most what the other processes
 * enqueue between two measurements.
 */
import { type Clock, sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import type { Definition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import type { QueueMeasure } from '../store.ts';

/** How often a blocked enqueue looks for room. */
const BLOCKED_POLL_MS = 20;
/** A queue that drops may pass its bound so many times while its low priorities are being cleared out. */
const OVERFULL = 2;
const RETRY_AFTER_S_MAX = 60;
const RETRY_AFTER_S_UNKNOWN = 5;

interface Estimate {
  measure: QueueMeasure | undefined;
  /** Enqueued less ended by this process since. */
  since: number;
}

export interface Admission {
  /**
   * Counts one more job, of that priority. False when it is to be dropped.
   * @throws queue_full
   */
  admit(definition: Definition, priority: number): boolean;
  /** Waits until a queue that blocks has room for so many. @throws queue_full, the signal's reason */
  waitForRoom(definition: Definition, jobs: number, signal: AbortSignal): Promise<void>;
  /** So many that were counted wait no more: they have ended, or were not written. */
  ended(queue: string, jobs: number): void;
  /** So many waiting jobs were dropped for better ones. */
  trimmed(queue: string, jobs: number): void;
  measured(measures: readonly QueueMeasure[]): void;
  /** Jobs waiting, as far as is known here. */
  waiting(queue: string): number;
  /** Jobs that this process has dropped. */
  dropped(queue: string): number;
}

export function createAdmission(clock: Clock): Admission {
  const estimates = new Map<string, Estimate>();
  const dropped = new Map<string, number>();

  function estimateOf(queue: string): Estimate {
    let estimate = estimates.get(queue);
    if (!estimate) {
      estimate = { measure: undefined, since: 0 };
      estimates.set(queue, estimate);
    }
    return estimate;
  }

  function waiting(queue: string): number {
    const { measure, since } = estimateOf(queue);
    return Math.max(0, (measure?.waiting ?? 0) + since);
  }

  function full({ name, waitingMax }: Definition): Error {
    const now = waiting(name);
    const perS = estimateOf(name).measure?.endedPerS ?? 0;
    const seconds = perS > 0 ? Math.ceil((now - waitingMax + 1) / perS) : RETRY_AFTER_S_UNKNOWN;
    return queueErrors.queue_full({
      detail: `${now} jobs wait in ${name}; allowed are ${waitingMax}`,
      retryAfterS: Math.min(RETRY_AFTER_S_MAX, Math.max(1, seconds)),
    });
  }

  function countDropped(queue: string, jobs: number): void {
    dropped.set(queue, (dropped.get(queue) ?? 0) + jobs);
  }

  return {
    admit(definition, priority) {
      const { name, waitingMax, whenFull } = definition;
      const now = waiting(name);
      const estimate = estimateOf(name);
      if (now >= waitingMax) {
        if (whenFull !== 'drop') throw full(definition);
        const lowest = estimate.measure?.lowestPriority ?? 0;
        if (priority <= lowest || now >= waitingMax * OVERFULL) {
          countDropped(name, 1);
          return false;
        }
      }
      estimate.since++;
      return true;
    },
    async waitForRoom(definition, jobs, signal) {
      const { name, waitingMax, whenFull, blockMsMax } = definition;
      const isFull = () => waiting(name) + jobs > waitingMax;
      if (whenFull !== 'block' || !isFull()) return;
      const deadline = createDeadline(clock, blockMsMax, signal);
      try {
        while (isFull()) await sleep(clock, BLOCKED_POLL_MS, deadline.signal);
      } catch {
        signal.throwIfAborted();
        throw full(definition);
      } finally {
        deadline.done();
      }
    },
    ended(queue, jobs) {
      estimateOf(queue).since -= jobs;
    },
    trimmed(queue, jobs) {
      estimateOf(queue).since -= jobs;
      countDropped(queue, jobs);
    },
    measured(measures) {
      const known = new Map(measures.map((measure) => [measure.queue, measure]));
      for (const [queue, estimate] of estimates) {
        const measure = known.get(queue);
        if (measure?.measuredMs === estimate.measure?.measuredMs && measure) continue;
        estimate.measure = measure;
        estimate.since = 0;
      }
      for (const [queue, measure] of known) {
        if (!estimates.has(queue)) estimates.set(queue, { measure, since: 0 });
      }
    },
    waiting,
    dropped: (queue) => dropped.get(queue) ?? 0,
  };
}
