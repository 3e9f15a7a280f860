/**
 * Jobs-only enqueues, grouped: what is asked for in one tick, and while the groups under way take their time, goes in
 * one commit. Each caller is answered after that commit. At 64 callers a commit each gives 1,600 jobs a second, because
 * they wait for the disk one after the other; grouped it is as many as a batch.
 *
 * A group that the database refuses is run again call by call, so that only the caller whose job is at fault is refused.
 */
import { isLoadstoneError } from '#base/errors';
import { queueErrors } from '../errors.ts';
import type { PreparedJob } from '../job.ts';

/** Two, so that the next is being made while one waits for the disk; more would only make them smaller. */
const GROUPS_MAX = 2;
const GROUP_JOBS_MAX = 1000;
const GROUP_LENGTH_MAX = 4 * 1024 * 1024;
const WAITING_JOBS_MAX = 100_000;

interface Call {
  jobs: readonly PreparedJob[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

export interface Groups {
  /** Resolves when the jobs are committed. @throws queue_full, and what `write` throws */
  enqueue(jobs: readonly PreparedJob[]): Promise<void>;
}

/** What says that the database did not refuse these jobs: call by call it would be the same. */
const NOT_OF_THE_JOBS = new Set([
  'database_unavailable',
  'database_busy',
  'outcome_unknown',
  'deadline_exceeded',
  'stopped',
]);

function isOfTheJobs(error: unknown): boolean {
  return !(isLoadstoneError(error) && NOT_OF_THE_JOBS.has(error.code));
}

/** @param write writes the jobs in one transaction, and resolves after its commit */
export function createGroups(write: (jobs: readonly PreparedJob[]) => Promise<void>): Groups {
  let waiting: Call[] = [];
  let waitingJobs = 0;
  let underWay = 0;
  let isPlanned = false;

  /** The calls that go together: as many as fit, at least one. */
  function takeGroup(): Call[] {
    let count = 0;
    let jobs = 0;
    let length = 0;
    for (const call of waiting) {
      jobs += call.jobs.length;
      length += call.jobs.reduce((sum, { payload }) => sum + payload.length, 0);
      if (count > 0 && (jobs > GROUP_JOBS_MAX || length > GROUP_LENGTH_MAX)) break;
      count++;
      waitingJobs -= call.jobs.length;
    }
    const group = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return group;
  }

  async function writeCall({ jobs, resolve, reject }: Call): Promise<void> {
    try {
      await write(jobs);
      resolve();
    } catch (error) {
      reject(error);
    }
  }

  async function writeGroup(group: readonly Call[]): Promise<void> {
    underWay++;
    try {
      await write(group.flatMap(({ jobs }) => jobs));
      for (const { resolve } of group) resolve();
    } catch (error) {
      if (group.length > 1 && isOfTheJobs(error)) await Promise.all(group.map(writeCall));
      else for (const { reject } of group) reject(error);
    } finally {
      underWay--;
      plan();
    }
  }

  /** At the end of the tick's callbacks, so that all who were answered by one commit can ask again before the next. */
  function plan(): void {
    if (isPlanned || waiting.length === 0) return;
    isPlanned = true;
    queueMicrotask(() => {
      isPlanned = false;
      while (waiting.length > 0 && underWay < GROUPS_MAX) void writeGroup(takeGroup());
    });
  }

  return {
    enqueue(jobs) {
      if (waitingJobs + jobs.length > WAITING_JOBS_MAX) {
        const detail = `${waitingJobs} jobs wait to be written`;
        return Promise.reject(queueErrors.queue_full({ detail, retryAfterS: 1 }));
      }
      waitingJobs += jobs.length;
      return new Promise((resolve, reject) => {
        waiting.push({ jobs, resolve, reject });
        plan();
      });
    },
  };
}
