/**
 * A process that works on a queue, to be killed: it writes the id of each job that it has carried out into a file, as the
 * effect that must not be lost. Stops when its input ends.
 */
import { appendFileSync } from 'node:fs';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createDatabase, databaseOptions } from '#blocks/database';
import { createIds, createPostgresWorkerLeases, idsMigrations, idsOptions } from '#blocks/ids';
import { queueMigrations } from '../migrations.ts';
import { queueOptions } from '../options.ts';
import { createQueue } from '../queue.ts';
import { createWorker } from './worker.ts';

export interface WorkerProcessArguments {
  primary: string;
  leaseMs: number;
  queue: string;
  concurrency: number;
  effects: string;
}

const [argument] = process.argv.slice(2);
if (argument !== undefined) await run(JSON.parse(argument) as WorkerProcessArguments);

async function run({
  primary,
  leaseMs,
  queue: name,
  concurrency,
  effects,
}: WorkerProcessArguments): Promise<void> {
  const never = new AbortController().signal;
  const deps = { clock: systemClock, random: systemRandom, log: silentLog, metrics: createMetrics() };
  const database = createDatabase(parseOptions(databaseOptions, { primary }), {
    ...deps,
    dataDirectory: '',
    migrations: [idsMigrations, queueMigrations],
    report: () => {},
  });
  await database.start(never);
  const ids = createIds(parseOptions(idsOptions, {}), {
    ...deps,
    store: createPostgresWorkerLeases(database.core),
  });
  await ids.start(never);
  const options = parseOptions(queueOptions, { leaseMs });
  const queue = createQueue(options, {
    ...deps,
    database,
    ids,
    leader: { held: () => true },
    maintainer: { held: () => true },
    definitions: [{ name }],
    schedules: [],
  });
  await queue.start(never);
  const worker = createWorker(
    { ...options, queues: { [name]: { concurrency } } },
    { ...deps, queue, handlers: { [name]: async ({ jobId }) => appendFileSync(effects, `${jobId}\n`) } },
  );
  await worker.start(never);
  process.stdout.write('working\n');
  process.stdin.resume().once('end', async () => {
    for (const part of [worker, queue, ids, database]) await part.stop(AbortSignal.timeout(5000));
  });
}
