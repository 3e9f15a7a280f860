/**
 * What a worker has in flight of a queue: jobs not yet begun, attempts under way, and what has ended since the last turn.
 * A job is in flight from the turn that took it to the turn that records its end.
 */
import type { ClaimedJob } from '../job.ts';
import type { DoneJob, FailedJob } from '../store.ts';
import type { Run } from './run.ts';

export interface Ended {
  done: DoneJob[];
  failed: FailedJob[];
  progress: Map<string, string>;
}

/** Jobs taken by one turn; those before `next` have begun. */
interface Batch {
  jobs: readonly ClaimedJob[];
  next: number;
  sinceMs: number;
}

export interface InFlight {
  /** Attempts whose handler has not settled, late and abandoned ones included: each holds a slot. */
  readonly runs: Set<Run>;
  add(jobs: readonly ClaimedJob[], nowMs: number): void;
  /** The next to begin. */
  take(): ClaimedJob | undefined;
  /** Jobs not yet begun. */
  waiting(): number;
  /** Since when the first of them waits. */
  waitingSinceMs(): number | undefined;
  done(job: DoneJob): void;
  failed(job: FailedJob): void;
  progress(jobId: string, value: string): void;
  hasEnded(): boolean;
  /** What has ended, which is then no longer in flight; `restore` undoes it when it could not be recorded. */
  takeEnded(): Ended;
  restore(ended: Ended): void;
  /** What stays in flight, not counting what has ended. */
  kept(): ClaimedJob[];
  /** Lets go of the jobs not begun that have waited since before. */
  letGo(beforeMs: number): void;
}

const nothingEnded = (): Ended => ({ done: [], failed: [], progress: new Map() });

export function createInFlight(): InFlight {
  const runs = new Set<Run>();
  let batches: Batch[] = [];
  let waiting = 0;
  let ended = nothingEnded();

  return {
    runs,
    add(jobs, sinceMs) {
      if (jobs.length === 0) return;
      batches.push({ jobs, next: 0, sinceMs });
      waiting += jobs.length;
    },
    take() {
      const [batch] = batches;
      if (!batch) return undefined;
      waiting--;
      const job = batch.jobs[batch.next++];
      if (batch.next === batch.jobs.length) batches.shift();
      return job;
    },
    waiting: () => waiting,
    waitingSinceMs: () => batches[0]?.sinceMs,
    done: (job) => void ended.done.push(job),
    failed: (job) => void ended.failed.push(job),
    progress: (jobId, value) => void ended.progress.set(jobId, value),
    hasEnded: () => ended.done.length > 0 || ended.failed.length > 0,
    takeEnded() {
      const taken = ended;
      ended = nothingEnded();
      return taken;
    },
    restore({ done, failed, progress }) {
      ended.done.unshift(...done);
      ended.failed.unshift(...failed);
      ended.progress = new Map([...progress, ...ended.progress]);
    },
    kept() {
      const kept: ClaimedJob[] = [];
      for (const { state, claimed } of runs) if (state === 'running') kept.push(claimed);
      for (const { jobs, next } of batches) kept.push(...jobs.slice(next));
      return kept;
    },
    letGo(beforeMs) {
      batches = batches.filter(({ sinceMs }) => sinceMs >= beforeMs);
      waiting = batches.reduce((sum, { jobs, next }) => sum + jobs.length - next, 0);
    },
  };
}
