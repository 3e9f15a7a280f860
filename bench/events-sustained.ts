/**
 * Events end to end under load: written, moved to the log, counted by the projection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { BUCKETS } from '#blocks/database';
import type { Workplace } from './bench.ts';
import type { Client } from './links.ts';
import { createUnderLoad } from './mutations-load.ts';
import { clientConfig, type Postgres, type PostgresAddress } from './postgres-usage.ts';
import { readStat } from './process-usage.ts';

const SAMPLE_MS = 100;
const DRAIN_MS_MAX = 60_000;
const WRITERS = 2;
const EVENTS_PER_TRANSACTION = 100;
/** Writers hold back while so many are not counted: the lag is bounded, and the rate is what the rest can do. */
const LAG_MAX = 5000;
const HOLD_MS = 2;

/** Times are CPU time for each event, until the last was counted. */
export interface Sustained {
  events: number;
  eventsPerS: number;
  serverUs: number;
  /** Of the sessions that write. */
  writersUs: number;
  /** Of those of relay and projection. */
  systemUs: number;
  otherUs: number;
  walBytes: number;
  serverShare: number;
  postgresShare: number;
  /** Events written and not yet counted: on average, in the last third, and at most. */
  lagMean: number;
  lagLate: number;
  lagMax: number;
  /** Events for each transaction of the relay, and of the projection. */
  relayBatch: number;
  projectionBatch: number;
}

export interface SustainedStage {
  workplace: Workplace;
  client: Client;
  postgres: Postgres;
  address: PostgresAddress;
  url: string;
  key: string;
  pid: number;
  connections: number;
  /** What the generator is run under. */
  pin: (command: readonly string[]) => string[];
}

const PROGRESS = `
  select (select last_value from core.outbox_seq)::float8 as written,
    (select coalesce(sum(live), 0)::float8 from links.counts) as counted`;

async function readLag({ client }: Postgres): Promise<number> {
  const { rows } = await client.query<{ written: number; counted: number }>(PROGRESS);
  const { written = 0, counted = 0 } = rows[0] ?? {};
  return written - counted;
}

/** Numbers drawn by transactions that failed never arrive: what is left when nothing moves any more. */
async function drain(postgres: Postgres): Promise<number> {
  const untilMs = performance.now() + DRAIN_MS_MAX;
  for (let last = Number.NaN; performance.now() < untilMs; ) {
    const { rows } = await postgres.client.query('select 1 from core.outbox limit 1');
    const lag = await readLag(postgres);
    if (rows.length === 0 && lag === last) return lag;
    last = lag;
    await delay(SAMPLE_MS);
  }
  throw new Error('the projection has not caught up');
}

function watchLag(postgres: Postgres, base: number): () => Promise<number[]> {
  const lags: number[] = [];
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(async () => void lags.push((await readLag(postgres)) - base));
  }, SAMPLE_MS);
  return async () => {
    clearInterval(timer);
    await looking;
    return lags;
  };
}

interface Batches {
  moved: number;
  moves: number;
  handled: number;
  handles: number;
}

/** From the server's own metrics. */
async function readBatches({ client, url, key }: SustainedStage): Promise<Batches> {
  const { status, body } = await client.call(`${url}/metrics`, { key });
  if (status !== 200) throw new Error(`/metrics: ${status}`);
  const value = (pattern: RegExp) => Number(pattern.exec(body)?.[1] ?? 0);
  return {
    moved: value(/^loadstone_outbox_moved_total (\S+)/m),
    moves: value(/^loadstone_outbox_batch_seconds_count (\S+)/m),
    handled: value(/^loadstone_stream_events_handled_total\{[^}]*"links_counts"[^}]*\} (\S+)/m),
    handles: value(/^loadstone_stream_delay_seconds_count\{[^}]*"links_counts"[^}]*\} (\S+)/m),
  };
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Measures while `write` writes events; it gives how many, and a second. */
async function measureWriting(
  stage: SustainedStage,
  write: (base: number) => Promise<{ events: number; eventsPerS: number }>,
): Promise<Sustained> {
  const { postgres, pid } = stage;
  const base = await drain(postgres);
  const [own, before, batches] = [readStat(pid).cpuMs, await postgres.usage(), await readBatches(stage)];
  const endWatch = watchLag(postgres, base);
  const { events, eventsPerS } = await write(base);
  const lags = await endWatch();
  const [ownAtEnd, atEnd] = [readStat(pid).cpuMs, await postgres.usage()];
  await drain(postgres);
  const [ownAfter, after, batchesAfter] = [
    readStat(pid).cpuMs,
    await postgres.usage(),
    await readBatches(stage),
  ];
  const each = (milliseconds: number) => (milliseconds * 1000) / events;
  const elapsedMs = (events / eventsPerS) * 1000;
  const cpuOf = ({ appMs, systemMs, otherMs }: typeof after) => appMs + systemMs + otherMs;
  return {
    events,
    eventsPerS,
    serverUs: each(ownAfter - own),
    writersUs: each(after.appMs - before.appMs),
    systemUs: each(after.systemMs - before.systemMs),
    otherUs: each(after.otherMs - before.otherMs),
    walBytes: (after.walBytes - before.walBytes) / events,
    serverShare: (ownAtEnd - own) / elapsedMs,
    postgresShare: (cpuOf(atEnd) - cpuOf(before)) / elapsedMs,
    lagMean: mean(lags),
    lagLate: mean(lags.slice(Math.floor((lags.length * 2) / 3))),
    lagMax: Math.max(0, ...lags),
    relayBatch: (batchesAfter.moved - batches.moved) / (batchesAfter.moves - batches.moves),
    projectionBatch: (batchesAfter.handled - batches.handled) / (batchesAfter.handles - batches.handles),
  };
}

/** Each event with its mutation, as many as the API takes. */
export function sustainByApi(stage: SustainedStage, seconds: number, prefix: string): Promise<Sustained> {
  const { workplace, url, key, connections, pin } = stage;
  const creation = { kind: 'link', path: '/v1/links', hasKey: true, hasTtl: false } as const;
  return measureWriting(stage, async () => {
    const load = { creation, url, apiKey: key, prefix, seconds, connections, pin };
    const { requests, requestsPerS } = await createUnderLoad(workplace, load);
    return { events: requests, eventsPerS: requestsPerS };
  });
}

const WRITE = `
  insert into core.outbox (event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key, payload)
  select (extract(epoch from clock_timestamp()) * 1000)::bigint << 22 | n, 1, now(), streams.stream_id, 300,
    n % streams.partitions, (random() * ${BUCKETS - 1})::smallint, 'link.created', gen_random_uuid()::text,
    json_build_object('linkId', n::text, 'code', 'abcdefg', 'url', repeat('x', 100), 'redirectStatus', 302,
      'version', 1, 'was', null, 'is', 'live', 'expiresAt', null, 'updatedAt', now())
  from generate_series(1, ${EVENTS_PER_TRANSACTION}) as n, core.streams where streams.name = 'links'`;

/** Until the time is up, but never further ahead of the projection than `LAG_MAX`. */
async function writeBySql(
  writers: readonly pg.Client[],
  postgres: Postgres,
  { base, seconds }: { base: number; seconds: number },
): Promise<{ events: number; eventsPerS: number }> {
  const startedMs = performance.now();
  const untilMs = startedMs + seconds * 1000;
  let lag = 0;
  let events = 0;
  async function followLag(): Promise<void> {
    while (performance.now() < untilMs) {
      lag = (await readLag(postgres)) - base;
      await delay(HOLD_MS);
    }
  }
  async function write(client: pg.Client): Promise<void> {
    while (performance.now() < untilMs) {
      if (lag >= LAG_MAX) {
        await delay(HOLD_MS);
        continue;
      }
      await client.query({ name: 'write', text: WRITE });
      events += EVENTS_PER_TRANSACTION;
    }
  }
  await Promise.all([followLag(), ...writers.map(write)]);
  return { events, eventsPerS: (events / (performance.now() - startedMs)) * 1000 };
}

/** Events alone, a hundred in a transaction, written by SQL past the server, which finds them by polling. */
export async function sustainBySql(stage: SustainedStage, seconds: number): Promise<Sustained> {
  const config = { ...clientConfig(stage.address), application_name: 'peer' };
  const writers = Array.from({ length: WRITERS }, () => new pg.Client(config));
  for (const writer of writers) await writer.connect();
  try {
    return await measureWriting(stage, (base) => writeBySql(writers, stage.postgres, { base, seconds }));
  } finally {
    for (const writer of writers) await writer.end();
  }
}
