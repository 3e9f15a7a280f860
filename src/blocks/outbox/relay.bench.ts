/**
 * How long an event takes from its commit to its effect, and how many a second the relay and a trivial consumer move.
 * Run it with Node: `node src/blocks/outbox/relay.bench.ts`.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { sleep, systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { createTracer } from '#base/trace';
import { type Database, type Queryable, sql, type Transaction } from '#blocks/database';
import { createPostgresLeases, leasesMigrations } from '#blocks/leases';
import {
  createPostgresStreams,
  createStreams,
  type StreamEvent,
  streamMigrations,
  streamOptions,
} from '#blocks/stream';
import { startTestDatabase } from '#fixtures/database';
import { outboxMigrations } from './migrations.ts';
import { outboxOptions } from './options.ts';
import { createOutbox } from './outbox.ts';

const IDLE_EVENTS = 450;
const PAUSE_MS = 5;
const WARM_UP_EVENTS = 50;
const BACKLOG_EVENTS = 100_000;
const BACKLOG_KEYS = 1000;
const WRITE_BATCH = 1000;
const signal = new AbortController().signal;

const { database, admin, metrics, stop } = await startTestDatabase({
  migrations: [leasesMigrations, streamMigrations, outboxMigrations],
});
const { core } = database;
/** When the last batch of the relay, of a handler and of a consumer was done. */
const doneAt = { moved: 0, begun: 0, committed: 0 };
const deps = {
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  metrics,
  tracer: createTracer(systemRandom),
  database: {
    core,
    async transact(...[placement, options, work]: Parameters<Database['transact']>) {
      const result = await database.transact(placement, options, work);
      if (placement.system === 'stream') doneAt.committed = systemClock.monotonicMs();
      if (placement.system === 'outbox') doneAt.moved = systemClock.monotonicMs();
      return result;
    },
  } as Database,
};
/** The ids of one process end at 32,000 a second. */
let lastId = 0;
const ids = { next: () => String(++lastId) };
const streams = createStreams(parseOptions(streamOptions, {}), {
  ...deps,
  store: createPostgresStreams(core),
});
const leases = createPostgresLeases(core);
const outbox = createOutbox(parseOptions(outboxOptions, {}), { ...deps, ids, leases, streams });
await admin.run(sql`create table core.bench_counts (key text primary key, count bigint not null)`);
await admin.run(sql`grant select, insert, update on core.bench_counts to loadstone_system`);

const place = { workspaceId: '1', bucket: 0 };
const payload = {
  linkId: '117776056320020577',
  url: 'https://example.com/a/path',
  visits: 1,
  note: 'x'.repeat(100),
};

function publish(stream: string, keys: readonly string[]): Promise<void> {
  const events = keys.map((key) => ({ stream, type: 'link.visited', key, payload }));
  const write = (tx: Transaction) => outbox.insertEvents(tx, place, events, undefined);
  return database.transact({ system: 'bench', ...place }, { signal }, write);
}

/** What a roll-up does: one statement for the whole batch. */
async function count(events: readonly StreamEvent[], tx: Queryable): Promise<void> {
  const counts = new Map<string, number>();
  for (const { key } of events) counts.set(key, (counts.get(key) ?? 0) + 1);
  await tx.run(sql`
    insert into core.bench_counts (key, count)
    select key, count from unnest(${[...counts.keys()]}::text[], ${[...counts.values()]}::bigint[]) as counted (key, count)
    order by key
    on conflict (key) do update set count = bench_counts.count + excluded.count`);
}

function report(what: string, figure: string): void {
  process.stdout.write(`${what}: ${figure}\n`);
}

function reportTimes(what: string, timesMs: readonly number[]): void {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (fraction: number) => `${sorted[Math.floor(sorted.length * fraction)]?.toFixed(1)} ms`;
  report(what, `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}`);
}

async function measureIdle(): Promise<void> {
  await streams.declare('idle');
  let seen = 0;
  const consumer = streams.createConsumer(
    { stream: 'idle', group: 'counts' },
    {
      async handler(events, tx) {
        doneAt.begun = systemClock.monotonicMs();
        await count(events, tx);
        seen += events.length;
      },
    },
  );
  await consumer.start(signal);
  const times = {
    moved: [] as number[],
    read: [] as number[],
    handled: [] as number[],
    whole: [] as number[],
  };
  for (let i = 0; i < IDLE_EVENTS; i++) {
    const before = doneAt.committed;
    await publish('idle', [`idle${i}`]);
    const startMs = systemClock.monotonicMs();
    outbox.wake();
    while (doneAt.committed === before || seen <= i) await turn();
    times.moved.push(doneAt.moved - startMs);
    times.read.push(doneAt.begun - doneAt.moved);
    times.handled.push(doneAt.committed - doneAt.begun);
    times.whole.push(doneAt.committed - startMs);
    await sleep(systemClock, PAUSE_MS);
  }
  await consumer.stop(signal);
  const warm = (all: readonly number[]) => all.slice(WARM_UP_EVENTS);
  reportTimes('idle, commit to commit of the effect', warm(times.whole));
  reportTimes('  commit to moved', warm(times.moved));
  reportTimes('  moved to handed to the consumer', warm(times.read));
  reportTimes('  handed to committed', warm(times.handled));
}

async function isMoved(): Promise<boolean> {
  return (await core.first(sql`select from core.outbox`)) === undefined;
}

async function writeBacklog(): Promise<void> {
  const startMs = systemClock.monotonicMs();
  for (let at = 0; at < BACKLOG_EVENTS; at += WRITE_BATCH) {
    await publish(
      'backlog',
      Array.from({ length: WRITE_BATCH }, (_, i) => `key${(at + i) % BACKLOG_KEYS}`),
    );
  }
  reportRate('written, 1,000 in a transaction', startMs);
}

function reportRate(what: string, startMs: number): void {
  const seconds = (systemClock.monotonicMs() - startMs) / 1000;
  report(what, `${Math.round(BACKLOG_EVENTS / seconds)} events/s`);
}

async function consumeBacklog(group: string, batchMax: number): Promise<void> {
  let seen = 0;
  const startMs = systemClock.monotonicMs();
  const consumer = streams.createConsumer(
    { stream: 'backlog', group, batchMax },
    {
      async handler(events, tx) {
        await count(events, tx);
        seen += events.length;
      },
    },
  );
  await consumer.start(signal);
  await eventually('all are counted', () => seen >= BACKLOG_EVENTS);
  reportRate(`consumed, batches of ${batchMax}`, startMs);
  await consumer.stop(signal);
}

await streams.start(signal);
await outbox.start(signal);
await measureIdle();
await outbox.stop(signal);

await streams.declare('backlog');
await writeBacklog();
const second = createOutbox(parseOptions(outboxOptions, {}), {
  ...deps,
  metrics: createMetrics(),
  ids,
  leases,
  streams,
});
const startMs = systemClock.monotonicMs();
await second.start(signal);
await eventually('all are moved', isMoved);
reportRate('relayed', startMs);
await consumeBacklog('counts-500', 500);
await consumeBacklog('counts-100', 100);
await second.stop(signal);
await streams.stop(signal);
await stop();
