/**
 * The queue as the rest of the server sees it: enqueues, looks at jobs, and keeps the whole in order. Workers are made
 * by createWorker. See README.md for promises.
 */
import type { Clock } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Database, Queryable } from '#blocks/database';
import type { Ids } from '#blocks/ids';
import { noWakeups, type Wakeups } from '#blocks/wakeup';
import { completeDefinition, type Definition, type QueueDefinition } from './definition.ts';
import { type Admission, createAdmission } from './enqueue/admission.ts';
import { createGroups } from './enqueue/groups.ts';
import { createPrepare } from './enqueue/prepare.ts';
import { queueErrors } from './errors.ts';
import { createInspection, type JobInspection } from './inspect/inspection.ts';
import type { JobPlacement, PreparedJob, UncheckedJob } from './job.ts';
import { createCron, type Schedule } from './maintenance/cron.ts';
import { createMaintenance, type LeaderLease } from './maintenance/maintenance.ts';
import { createQueueMetrics, type QueueMetrics } from './metrics.ts';
import type { QueueOptions } from './options.ts';
import { createScores, type Scores } from './score.ts';
import type { JobStore, QueueMeasure } from './store.ts';
import { createPostgresInspection } from './stores/inspection.ts';
import { createPostgresMaintenance, createPostgresSchedules } from './stores/maintenance.ts';
import { createPostgresJobs } from './stores/postgres.ts';

/** A worker of this process. */
interface WakeListener {
  /** A job can be taken. @returns whether there is room for it here */
  ready(queue: string, score: number | undefined): boolean;
  scheduled(runAtMs: number): void;
}

/** What createWorker needs of a queue. */
export interface WorkerSide {
  store: JobStore;
  scores: Scores;
  metrics: QueueMetrics;
  definitionOf(queue: string): Definition;
  /** Returns the unsubscribe. */
  onWake(listener: WakeListener): () => void;
  wakeups: QueueWakeups;
  /** Tells the workers of other processes of jobs that are ready, and that are not taken here. */
  offer(queue: string): void;
}

type QueueWakeups = Pick<Wakeups, 'notify' | 'on' | 'isListening' | 'lookMsMax'>;

export interface EnqueueOptions {
  signal: AbortSignal;
  traceparent?: string | undefined;
}

export interface Queue extends Lifecycle {
  /**
   * Checks a job, names it and gives it its place in the queue; counts it as waiting. Needs no database.
   * @throws queue_unknown, queue_full, job_invalid, job_too_large, and what ids throw
   */
  prepareJob(job: UncheckedJob, place: JobPlacement, traceparent: string | undefined): PreparedJob;
  /**
   * Writes prepared jobs in the caller's transaction (role app or system), in one round trip. They exist when it commits.
   * @throws job_duplicate
   */
  insertJobs(tx: Queryable, jobs: readonly PreparedJob[]): Promise<void>;
  /**
   * Tells the workers, after the commit, that a job of the queue is there: those of this process, and where they have no
   * room, those of others. With the job's score it is found in a long line at once, without it within a second.
   */
  wake(queueName: string, score?: number): void;
  /** `wake` for each of them. */
  wakeFor(jobs: readonly PreparedJob[]): void;
  /**
   * Enqueues jobs in a transaction of their own, which those asked for at the same time share. Resolves after the
   * commit with their ids; waits for room in queues that block. All of one call are enqueued, or none.
   * @throws what prepareJob and insertJobs throw; database_unavailable, database_busy, outcome_unknown
   */
  enqueueGrouped(
    place: JobPlacement,
    jobs: readonly UncheckedJob[],
    options: EnqueueOptions,
  ): Promise<string[]>;
  /** Counts prepared jobs as waiting no more: the transaction that was to write them has failed. */
  release(jobs: readonly PreparedJob[]): void;
  /**
   * Waits until a queue that blocks has room: outside of a transaction, because inside of one an enqueue into a full queue
   * is refused. @returns whether the queue is one that blocks @throws queue_unknown, queue_full
   */
  waitForRoom(queueName: string, signal: AbortSignal): Promise<boolean>;
  readonly inspection: JobInspection;
  /** As last measured, once a second or so: for `/readyz` and people. */
  measures(): readonly QueueMeasure[];
  readonly forWorkers: WorkerSide;
}

export interface QueueDeps extends Runtime {
  metrics: Metrics;
  database: Pick<Database, 'transact' | 'core'>;
  ids: Pick<Ids, 'next'>;
  /** Which process counts the queues, all there are in the database, and clears up. */
  leader: LeaderLease;
  /**
   * Which process carries out these schedules and trims these queues: one that knows them. The same as `leader` where
   * all processes of the database declare the same.
   */
  maintainer: LeaderLease;
  definitions: readonly QueueDefinition[];
  schedules: readonly Schedule[];
  /** Without them workers look for the jobs of other processes every `pollMs`. */
  wakeups?: QueueWakeups;
}

const WRITE_MS_MAX = 30_000;
const CALL_JOBS_MAX = 10_000;

function createWakes(clock: Clock, wakeups: QueueWakeups) {
  const listeners = new Set<WakeListener>();
  const offer = (queue: string) => wakeups.notify('jobs', new Map([[queue, '']]));
  return {
    offer,
    wake(queueName: string, score?: number): void {
      let isTaken = false;
      for (const listener of listeners) if (listener.ready(queueName, score)) isTaken = true;
      if (!isTaken) offer(queueName);
    },
    /** A worker of this process sees to it in time; others have seen it by then, unless it is soon. */
    scheduled(queueName: string, runAtMs: number): void {
      for (const listener of listeners) listener.scheduled(runAtMs);
      if (listeners.size === 0 && runAtMs - clock.nowMs() <= wakeups.lookMsMax) offer(queueName);
    },
    onWake(listener: WakeListener): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function releaseFrom(admission: Admission, jobs: readonly PreparedJob[]): void {
  for (const { queue, isDropped } of jobs) if (!isDropped) admission.ended(queue, 1);
}

/** The queue of one process, on Postgres. Its start makes the history’s next days; workers start after it. */
export function createQueue(options: QueueOptions, deps: QueueDeps): Queue {
  const { clock, database, maintainer, wakeups = noWakeups } = deps;
  const definitions = new Map(deps.definitions.map((each) => [each.name, completeDefinition(each, options)]));
  const scores = createScores(options);
  const admission = createAdmission(clock);
  const store = createPostgresJobs(database.core, scores);
  const inspectionStore = createPostgresInspection(database.core);
  const { wake, scheduled, offer, onWake } = createWakes(clock, wakeups);

  function definitionOf(queue: string): Definition {
    const definition = definitions.get(queue);
    if (!definition) throw queueErrors.queue_unknown({ detail: `no queue ${queue}` });
    return definition;
  }

  const prepareJob = createPrepare({ clock, ids: deps.ids, scores, admission, definitionOf });
  const groups = createGroups((jobs) => write(jobs));
  const maintenance = createMaintenance(options, {
    ...deps,
    maintainer,
    store: createPostgresMaintenance(database.core),
    inspection: inspectionStore,
    admission,
    isListening: wakeups.isListening,
    definitions: [...definitions.values()],
  });
  const cron = createCron(deps.schedules, {
    ...deps,
    leader: maintainer,
    store: createPostgresSchedules(database.core),
    jobs: store,
    prepare: (job, place) => prepareJob(job, place, undefined),
    wake: wakeFor,
  });
  const metrics = createQueueMetrics(deps.metrics, admission);
  for (const queue of definitions.keys()) {
    metrics.ofQueue(queue, () => maintenance.measures().find((measure) => measure.queue === queue));
  }

  function wakeFor(jobs: readonly PreparedJob[]): void {
    for (const { queue, score, runAtMs, isScheduled, isDropped } of jobs) {
      if (isDropped) continue;
      if (isScheduled) scheduled(queue, runAtMs);
      else wake(queue, score);
    }
    if (jobs.length > 0) maintenance.stirred();
  }

  const release = (jobs: readonly PreparedJob[]) => releaseFrom(admission, jobs);

  async function write(jobs: readonly PreparedJob[]): Promise<void> {
    if (!(await store.insertAlone(jobs))) await writeTogether(jobs);
    wakeFor(jobs);
  }

  async function writeTogether(jobs: readonly PreparedJob[]): Promise<void> {
    const [first] = jobs;
    if (!first) return;
    const { workspaceId, bucket } = first;
    const deadline = createDeadline(clock, WRITE_MS_MAX);
    try {
      await database.transact(
        { system: 'queue', workspaceId, bucket },
        { signal: deadline.signal, role: 'system' },
        (tx) => store.insert(tx, jobs),
      );
    } finally {
      deadline.done();
    }
  }

  let unsubscribe = () => {};
  const lifecycle = createLifecycle('queue', {
    async start() {
      await maintenance.start();
      unsubscribe = wakeups.on('jobs', maintenance.stirred);
      cron.begin();
    },
    async stop(deadline) {
      unsubscribe();
      await withSignal(Promise.all([maintenance.stop(), cron.stop()]), deadline).catch(() => {});
    },
  });

  return {
    ...lifecycle,
    prepareJob,
    insertJobs: store.insert,
    wake,
    wakeFor,
    async enqueueGrouped(place, jobs, { signal, traceparent }) {
      if (jobs.length > CALL_JOBS_MAX) {
        throw queueErrors.job_invalid({
          detail: `${jobs.length} jobs in one call; allowed are ${CALL_JOBS_MAX}`,
        });
      }
      for (const [queue, { length }] of Map.groupBy(jobs, (job) => job.queue)) {
        await admission.waitForRoom(definitionOf(queue), length, signal);
      }
      const prepared: PreparedJob[] = [];
      try {
        for (const job of jobs) prepared.push(prepareJob(job, place, traceparent));
        await withSignal(groups.enqueue(prepared), signal);
      } catch (error) {
        release(prepared);
        throw error;
      }
      return prepared.map(({ jobId }) => jobId);
    },
    async waitForRoom(queueName, signal) {
      const definition = definitionOf(queueName);
      await admission.waitForRoom(definition, 1, signal);
      return definition.whenFull === 'block';
    },
    release,
    inspection: createInspection({
      clock,
      store: inspectionStore,
      scores,
      definitions,
      definitionOf,
      wake,
    }),
    measures: maintenance.measures,
    forWorkers: { store, scores, metrics, definitionOf, onWake, wakeups, offer },
  };
}
