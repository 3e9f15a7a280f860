/**
 * The queue against pg-boss and Graphile Worker: one embedded Postgres with `synchronous_commit=on`, one process, trivial
 * jobs. The subjects take turns; each round starts with another.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { formatWhole } from '#base/values/numbers';
import { createDatabase, type Database, databaseOptions } from '#blocks/database';
import { idsMigrations } from '#blocks/ids';
import { queueMigrations } from '#blocks/queue';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { createGraphileWorker } from './queues/graphile-worker.ts';
import { createLoadstone, type Loadstone } from './queues/loadstone.ts';
import { createPgBoss } from './queues/pg-boss.ts';
import type { Server, Subject } from './queues/subject.ts';
import { type Claims, formatRounds, judge, type Round, type Sample } from './reports/queue.ts';

const SINGLE_CALLERS = 64;
const BATCH_CALLERS = 16;
const BATCH = 100;
const PROCESSED = 100_000;
const PROCESSED_QUICK = 50_000;
const PICK_UPS = 50;
const IDLE_MS = 30;
const SETTLE_MS = 500;
const POLL_MS = 1;
const CLAIM_SIZES = [1000, 1_000_000] as const;
const CLAIMS = 500;
const NEVER = new AbortController().signal;

interface Place {
  database: Database;
  server: Server;
}

async function startPostgres({ directory }: Workplace): Promise<Place> {
  const dataDirectory = join(directory, 'data');
  const database = createDatabase(parseOptions(databaseOptions, {}), {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics(),
    dataDirectory,
    migrations: [idsMigrations, queueMigrations],
    report: () => {},
  });
  await database.start(NEVER);
  // Postgres writes down where it listens: the fifth line is the directory of its socket.
  const lines = readFileSync(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
  const server = {
    socketDirectory: lines[4] ?? '',
    port: Number(lines[3]),
    database: 'loadstone',
    user: 'loadstone_super',
  };
  return { database, server };
}

async function withClient<T>(server: Server, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const { socketDirectory: host, ...rest } = server;
  const client = new pg.Client({ host, ...rest });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** So that each phase begins with tables that were cleaned, and without another subject's dirty pages. */
async function settle(server: Server): Promise<void> {
  await withClient(server, async (client) => {
    await client.query('vacuum analyze');
    await client.query('checkpoint');
  });
}

/** Calls of so many callers, one after the other each, for some seconds. @returns calls a second */
async function measureCalls(callers: number, seconds: number, call: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  const untilMs = startedMs + seconds * 1000;
  let calls = 0;
  async function caller(): Promise<void> {
    while (performance.now() < untilMs) {
      await call();
      calls++;
    }
  }
  await Promise.all(Array.from({ length: callers }, caller));
  return (calls / (performance.now() - startedMs)) * 1000;
}

async function fill(subject: Subject, jobs: number): Promise<void> {
  let left = jobs / BATCH;
  async function caller(): Promise<void> {
    while (left-- > 0) await subject.enqueueMany(BATCH);
  }
  await Promise.all(Array.from({ length: BATCH_CALLERS }, caller));
}

/** @returns jobs a second, from the start of a worker until the last job is recorded as done */
async function measureProcessing(subject: Subject, jobs: number): Promise<number> {
  const handled = Promise.withResolvers<void>();
  let count = 0;
  const startedMs = performance.now();
  const worker = await subject.work((more) => {
    count += more;
    if (count >= jobs) handled.resolve();
  });
  await handled.promise;
  while (!(await subject.isEmpty())) await delay(POLL_MS);
  const elapsedMs = performance.now() - startedMs;
  await worker.stop();
  if (count !== jobs) throw new Error(`${subject.name}: ${count} jobs were handled, not ${jobs}`);
  return (jobs / elapsedMs) * 1000;
}

async function measureWithSnapshot(server: Server, subject: Subject, jobs: number): Promise<number> {
  return withClient(server, async (client) => {
    await client.query('begin isolation level repeatable read');
    await client.query('select 1 from pg_class limit 1');
    await fill(subject, jobs);
    return measureProcessing(subject, jobs);
  });
}

/** From the call that enqueues a job to its handler, nothing else being under way. */
async function measurePickUp(subject: Subject, enqueue = subject.enqueue): Promise<number[]> {
  let arrived = (): void => {};
  const worker = await subject.work(() => arrived());
  await delay(SETTLE_MS);
  const samples: number[] = [];
  for (let i = 0; i < PICK_UPS; i++) {
    await delay(IDLE_MS);
    const pickedUp = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const startedMs = performance.now();
    await enqueue();
    await pickedUp;
    samples.push(performance.now() - startedMs);
  }
  await worker.stop();
  return samples.sort((a, b) => a - b);
}

const quantile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

async function measure(server: Server, subject: Subject, options: BenchOptions): Promise<Sample> {
  const seconds = options.seconds / 2;
  const jobs = options.isQuick ? PROCESSED_QUICK : PROCESSED;
  await settle(server);
  const singlePerS = await measureCalls(SINGLE_CALLERS, seconds, subject.enqueue);
  await subject.clear();
  await settle(server);
  const batchPerS = BATCH * (await measureCalls(BATCH_CALLERS, seconds, () => subject.enqueueMany(BATCH)));
  await subject.clear();
  await settle(server);
  await fill(subject, jobs);
  const processPerS = await measureProcessing(subject, jobs);
  await settle(server);
  const snapshotPerS = await measureWithSnapshot(server, subject, jobs);
  await settle(server);
  const pickUps = await measurePickUp(subject);
  return {
    singlePerS,
    batchPerS,
    processPerS,
    snapshotPerS,
    pickUpP50Ms: quantile(pickUps, 0.5),
    pickUpP99Ms: quantile(pickUps, 0.99),
  };
}

/** Turns that record a hundred jobs and claim the next, while as many are enqueued as are taken. */
async function measureClaims(own: Loadstone, server: Server, waiting: number): Promise<Claims> {
  const { store } = own.queue.forWorkers;
  await own.clear();
  await fill(own, waiting);
  await settle(server);
  const samples: number[] = [];
  let fromScore = Number.MIN_SAFE_INTEGER;
  let lease: Parameters<typeof store.completeAndClaim>[0]['lease'];
  let done: { jobId: string; result: undefined }[] = [];
  for (let i = 0; i < CLAIMS; i++) {
    const nowMs = Date.now();
    const startedMs = performance.now();
    const answer = await store.completeAndClaim({
      queue: own.queueName,
      worker: 'bench',
      lease,
      nowMs,
      untilMs: nowMs + 30_000,
      concurrency: BATCH,
      endedTotal: 0,
      done,
      failed: [],
      progress: [],
      kept: [],
      want: BATCH,
      fromScore,
      lateArrivals: [],
      perKey: undefined,
    });
    samples.push(performance.now() - startedMs);
    if (answer.kind === 'lost') throw new Error('the lease was lost');
    lease = answer.lease;
    fromScore = answer.lastScore ?? fromScore;
    done = answer.jobs.map(({ jobId }) => ({ jobId, result: undefined }));
    if (done.length !== BATCH) throw new Error(`${done.length} jobs claimed of ${waiting}`);
    await own.enqueueMany(BATCH);
  }
  if (lease) await store.leave(own.queueName, lease);
  samples.sort((a, b) => a - b);
  return { waiting, p50Ms: quantile(samples, 0.5), p99Ms: quantile(samples, 0.99) };
}

async function runRounds(
  subjects: readonly Subject[],
  server: Server,
  options: BenchOptions,
  say: Workplace['say'],
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    const first = (number - 1) % subjects.length;
    const round: Round = {};
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      const sample = await measure(server, subject, options);
      round[subject.name] = sample;
      const { singlePerS, batchPerS, processPerS, snapshotPerS, pickUpP50Ms } = sample;
      const perS = [singlePerS, batchPerS, processPerS, snapshotPerS].map(Math.round).join('  ');
      say(`round ${number}  ${subject.name.padEnd(16)} ${perS} jobs/s  ${pickUpP50Ms.toFixed(2)} ms`);
    }
    rounds.push(round);
  }
  return rounds;
}

export const queue: Bench = {
  summary:
    'jobs against pg-boss and Graphile Worker; bars: 5, 3 and 1.8 times, and claims from 1,000,000 waiting',
  async run(options, workplace) {
    const { database, server } = await startPostgres(workplace);
    const own = createLoadstone(database);
    const subjects: Subject[] = [own, createPgBoss(server), createGraphileWorker(server)];
    try {
      for (const subject of subjects) await subject.start();
      const rounds = await runRounds(subjects, server, options, workplace.say);
      const claims: Claims[] = [];
      for (const waiting of CLAIM_SIZES) {
        workplace.say(`claims with ${formatWhole(waiting)} jobs waiting`);
        claims.push(await measureClaims(own, server, waiting));
      }
      const untold = quantile(await measurePickUp(own, own.enqueueUntold), 0.5);
      const settings = Object.fromEntries(subjects.map((subject) => [subject.name, subject.settings]));
      return {
        bars: judge(rounds, claims as [Claims, Claims]),
        data: { settings, rounds, claims, untoldPickUpP50Ms: untold },
        text: formatRounds(rounds, claims, settings, untold),
      };
    } finally {
      for (const subject of subjects) await subject.stop().catch(() => {});
      await database.stop(AbortSignal.timeout(10_000));
    }
  },
};
