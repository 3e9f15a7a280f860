/**
 * Jobs for people: what the command line and the API ask and do.
 */
import type { Clock } from '#base/clock';
import { isId } from '#blocks/ids';
import type { Definition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import { PRIORITY_MAX } from '../job.ts';
import type { Scores } from '../score.ts';
import type { JobFilter, JobInspectionStore, StoredJob, WaitingJobs } from '../store.ts';
import { type Why, whyWaiting } from './why.ts';

export interface JobInspection {
  /** Newest first, waiting, running, dead and finished alike; at most 1,000. */
  list(filter: JobFilter): Promise<StoredJob[]>;
  /** @param workspaceId if given, the jobs of others are missing. @throws job_missing */
  show(jobId: string, workspaceId?: string): Promise<StoredJob>;
  /** What holds a job back. @throws job_missing */
  why(jobId: string): Promise<Why>;
  /**
   * Runs a dead job again, with all its attempts, or a scheduled one now. No effect on one that is ready or held.
   * @throws job_missing, job_running, job_finished, job_duplicate
   */
  retry(jobId: string): Promise<void>;
  /** Takes a waiting or dead job out. @throws job_missing, job_running, job_finished */
  discard(jobId: string): Promise<void>;
  /** What `drain` would discard. Counts every job of the queue. @throws queue_unknown */
  waiting(queue: string): Promise<WaitingJobs & { whenDrained: string | undefined }>;
  /** Discards every job of the queue that is not in a worker's hand; gives how many. @throws queue_unknown */
  drain(queue: string, signal: AbortSignal): Promise<number>;
  /** Runs dead jobs of the queue again, newest first, at most 1,000; gives how many. @throws queue_unknown */
  redrive(queue: string, limit: number): Promise<number>;
  /** Discards dead jobs of the queue in the same way. @throws queue_unknown */
  discardDead(queue: string, limit: number): Promise<number>;
}

const LIST_MAX = 1000;
const BATCH = 1000;
/** Between the look and the deed others may have acted: looked again so often. */
const TRIES_MAX = 3;

export interface InspectionDeps {
  clock: Clock;
  store: JobInspectionStore;
  scores: Scores;
  definitions: ReadonlyMap<string, Definition>;
  definitionOf: (queue: string) => Definition;
  /** Told of jobs that have become ready. */
  wake: (queue: string, score: number) => void;
}

const idsOf = (jobs: readonly StoredJob[]) => jobs.map(({ jobId }) => jobId);
const isFinished = ({ state }: StoredJob) => ['done', 'discarded', 'replaced', 'dropped'].includes(state);

/** Of a job that has had another one put in its place. */
const successorOf = ({ state, detail }: StoredJob) =>
  state === 'replaced' && detail !== undefined ? ` by job ${detail.replaceAll('"', '')}` : '';

export function createInspection(deps: InspectionDeps): JobInspection {
  const { clock, store, scores, definitions, definitionOf, wake } = deps;
  const nowMs = () => Math.floor(clock.nowMs());

  async function show(jobId: string, workspaceId?: string): Promise<StoredJob> {
    const job = isId(jobId) ? await store.find(jobId) : undefined;
    if (!job || (workspaceId !== undefined && job.workspaceId !== workspaceId))
      throw queueErrors.job_missing({ detail: `no job ${jobId}` });
    return job;
  }

  /** Looks at the job and acts on what it sees, again when that was no longer so. */
  async function act(jobId: string, attempt: (job: StoredJob) => Promise<boolean>): Promise<void> {
    for (let tries = 1; ; tries++) {
      const job = await show(jobId);
      if (job.state === 'running')
        throw queueErrors.job_running({ detail: `job ${jobId} is running`, retryAfterS: 1 });
      if (isFinished(job))
        throw queueErrors.job_finished({ detail: `job ${jobId} is ${job.state}${successorOf(job)}` });
      if (await attempt(job)) return;
      if (tries < TRIES_MAX) continue;
      throw queueErrors.job_running({ detail: `job ${jobId} is changing`, retryAfterS: 1 });
    }
  }

  function placeInLine(job: StoredJob): { jobId: string; score: number } {
    const now = nowMs();
    return { jobId: job.jobId, score: scores.next(now, Math.min(job.priority ?? 0, PRIORITY_MAX), now) };
  }

  async function rise(jobs: readonly StoredJob[]): Promise<string[]> {
    const placed = jobs.map(placeInLine);
    const risen = await store.redrive(placed, nowMs());
    for (const [at, { jobId, score }] of placed.entries()) {
      if (risen.includes(jobId)) wake(jobs[at]?.queue ?? '', score);
    }
    return risen;
  }

  async function retryDead(job: StoredJob): Promise<boolean> {
    if ((await rise([job])).length > 0) return true;
    if ((await store.find(job.jobId))?.state !== 'dead') return false;
    throw queueErrors.job_duplicate({ detail: `the unique key of job ${job.jobId} is taken by another job` });
  }

  async function hasten(job: StoredJob): Promise<boolean> {
    const { jobId, score } = placeInLine(job);
    const isReady = await store.hasten(jobId, score, nowMs());
    if (isReady) wake(job.queue, score);
    return isReady;
  }

  function listDead(queue: string, limit: number): Promise<StoredJob[]> {
    return store.list({ queue: definitionOf(queue).name, state: 'dead', limit: Math.min(limit, LIST_MAX) });
  }

  return {
    list: (filter) => store.list({ ...filter, limit: Math.min(filter.limit, LIST_MAX) }),
    show,
    async why(jobId) {
      const facts = isId(jobId) ? await store.facts(jobId) : undefined;
      if (!facts) throw queueErrors.job_missing({ detail: `no job ${jobId}` });
      return whyWaiting(facts, definitions.get(facts.job.queue));
    },
    retry: (jobId) =>
      act(jobId, async (job) => {
        if (job.state === 'dead') return retryDead(job);
        return job.state === 'scheduled' ? hasten(job) : true;
      }),
    discard: (jobId) =>
      act(jobId, async (job) => {
        if (job.state === 'dead') return (await store.discardEach([jobId], nowMs())).length > 0;
        return (await store.withdraw(job.queue, [jobId], 'discarded', nowMs())).length > 0;
      }),
    async waiting(queue) {
      const { whenDrained } = definitionOf(queue);
      return { ...(await store.waiting(queue)), whenDrained };
    },
    async drain(queue, signal) {
      definitionOf(queue);
      let total = 0;
      for (;;) {
        signal.throwIfAborted();
        const ids = await store.leastWorthy(queue, BATCH);
        const withdrawn = await store.withdraw(queue, ids, 'discarded', nowMs());
        total += withdrawn.length;
        // What is left is in flight.
        if (withdrawn.length === 0) return total;
      }
    },
    redrive: async (queue, limit) => (await rise(await listDead(queue, limit))).length,
    async discardDead(queue, limit) {
      const dead = await listDead(queue, limit);
      return (await store.discardEach(idsOf(dead), nowMs())).length;
    },
  };
}
