/**
 * A queue with workers on a database of the test's.
 */
import { type Clock, systemClock } from '#base/clock';
import { type Log, silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createIds, createPostgresWorkerLeases, type Ids, idsMigrations, idsOptions } from '#blocks/ids';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import type { QueueDefinition } from './definition.ts';
import type { Handler, UncheckedJob } from './job.ts';
import type { Schedule } from './maintenance/cron.ts';
import { queueMigrations } from './migrations.ts';
import { type QueueOptions, queueOptions } from './options.ts';
import { createQueue, type Queue } from './queue.ts';
import { createPostgresMaintenance } from './stores/maintenance.ts';
import { createWorker } from './worker/worker.ts';

export const never = new AbortController().signal;
export const PLACEMENT = { workspaceId: '1', bucket: 9 };

export interface TestQueueSettings {
  definitions: readonly QueueDefinition[];
  schedules?: readonly Schedule[];
  options?: Partial<QueueOptions>;
  clock?: Clock;
  leads?: () => boolean;
  log?: Log;
}

export interface TestQueues {
  db: TestDatabase;
  ids: Ids;
  /** A queue as a process has it; not started. */
  make(settings: TestQueueSettings): TestQueue;
  stop(): Promise<void>;
}

export interface TestQueue {
  queue: Queue;
  options: QueueOptions;
  /** Enqueues one job, in a transaction of its own. */
  enqueue(job: UncheckedJob): Promise<string>;
  /** A worker that is not started. */
  worker(handlers: Readonly<Record<string, Handler>>, concurrency?: number): ReturnType<typeof createWorker>;
  /** Runs a worker while `use` does. */
  working<T>(
    handlers: Readonly<Record<string, Handler>>,
    use: () => Promise<T>,
    concurrency?: number,
  ): Promise<T>;
}

const STOP_MS_MAX = 10_000;
const HISTORY_MS = 86_400_000;

export async function startTestQueues(): Promise<TestQueues> {
  const db = await startTestDatabase({ migrations: [idsMigrations, queueMigrations] });
  const deps = { clock: systemClock, random: systemRandom, log: silentLog };
  const ids = createIds(parseOptions(idsOptions, {}), {
    ...deps,
    store: createPostgresWorkerLeases(db.database.core),
  });
  await ids.start(never);
  await createPostgresMaintenance(db.database.core).rotateHistory(Date.now(), HISTORY_MS);
  return {
    db,
    ids,
    make: (settings) => makeTestQueue(settings, db, ids),
    stop: () => ids.stop(AbortSignal.timeout(STOP_MS_MAX)),
  };
}

function makeTestQueue(settings: TestQueueSettings, { database }: TestDatabase, ids: Ids): TestQueue {
  const { definitions, schedules = [], clock = systemClock, leads = () => true, log = silentLog } = settings;
  const deps = { clock, random: systemRandom, log, metrics: createMetrics() };
  const options = parseOptions(queueOptions, settings.options ?? {});
  const leader = { held: leads };
  const queue = createQueue(options, {
    ...deps,
    database,
    ids,
    leader,
    maintainer: leader,
    definitions,
    schedules,
  });

  function worker(handlers: Readonly<Record<string, Handler>>, concurrency = 10) {
    const queues = Object.fromEntries(Object.keys(handlers).map((name) => [name, { concurrency }]));
    return createWorker({ ...options, queues }, { ...deps, queue, handlers });
  }

  return {
    queue,
    options,
    async enqueue(job) {
      const [id = ''] = await queue.enqueueGrouped(PLACEMENT, [job], { signal: never });
      return id;
    },
    worker,
    async working(handlers, use, concurrency) {
      const working = worker(handlers, concurrency);
      await working.start(never);
      try {
        return await use();
      } finally {
        await working.stop(AbortSignal.timeout(STOP_MS_MAX));
      }
    },
  };
}
