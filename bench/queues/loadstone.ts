/**
 * This project's queue, with its default options.
 */
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { type Database, sql } from '#blocks/database';
import { createIds, createPostgresWorkerLeases, idsOptions } from '#blocks/ids';
import { createQueue, createWorker, type Queue, queueOptions } from '#blocks/queue';
import { CONCURRENCY, PAYLOAD, type Subject } from './subject.ts';

const NAME = 'bench';
const PLACEMENT = { workspaceId: '1', bucket: 0 };
/** A worker number gives 32,000 ids a second, and so one process as many jobs; this one enqueues more. */
const WORKER_NUMBERS = 8;
const WAITING_MAX = 100_000_000;

export interface Loadstone extends Subject {
  /** As another process would: the worker is not told. */
  enqueueUntold(): Promise<void>;
  queue: Queue;
  place: typeof PLACEMENT;
  queueName: string;
}

export function createLoadstone(database: Database): Loadstone {
  const never = new AbortController().signal;
  const deps = { clock: systemClock, random: systemRandom, log: silentLog, metrics: createMetrics() };
  const store = createPostgresWorkerLeases(database.core);
  const generators = Array.from({ length: WORKER_NUMBERS }, () =>
    createIds(parseOptions(idsOptions, {}), { ...deps, store }),
  );
  let turn = 0;
  const ids = {
    next(bucket: number): string {
      turn = (turn + 1) % WORKER_NUMBERS;
      return generators[turn]?.next(bucket) ?? '';
    },
  };
  const options = parseOptions(queueOptions, {});
  const [queue, another] = [0, 1].map(() =>
    createQueue(options, {
      ...deps,
      metrics: createMetrics(),
      database,
      ids,
      leader: { held: () => true },
      maintainer: { held: () => true },
      definitions: [{ name: NAME, waitingMax: WAITING_MAX }],
      schedules: [],
    }),
  ) as [Queue, Queue];
  const job = { queue: NAME, payload: PAYLOAD };

  return {
    name: 'loadstone',
    settings: `concurrency ${CONCURRENCY}, default options`,
    queue,
    place: PLACEMENT,
    queueName: NAME,
    async start() {
      for (const generator of generators) await generator.start(never);
      await queue.start(never);
    },
    async enqueue() {
      await queue.enqueueGrouped(PLACEMENT, [job], { signal: never });
    },
    async enqueueUntold() {
      await another.enqueueGrouped(PLACEMENT, [job], { signal: never });
    },
    async enqueueMany(count) {
      await queue.enqueueGrouped(PLACEMENT, Array(count).fill(job), { signal: never });
    },
    async work(onJob) {
      const worker = createWorker(
        { ...options, queues: { [NAME]: { concurrency: CONCURRENCY } } },
        { ...deps, queue, handlers: { [NAME]: async () => onJob(1) } },
      );
      await worker.start(never);
      return { stop: () => worker.stop(never) };
    },
    async isEmpty() {
      const left = await database.core.rows(sql`select job_id from core.jobs limit 1`);
      return left.length === 0;
    },
    async clear() {
      await database.core.run(sql`delete from core.jobs`);
    },
    async stop() {
      await queue.stop(never);
      for (const generator of generators) await generator.stop(never);
    },
  };
}
