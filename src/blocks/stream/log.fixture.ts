/**
 * A log on a real Postgres for tests, and events in it without an outbox.
 */
import { createManualClock, type ManualClock } from '#base/clock';
import { type Log, silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import type { JsonValue } from '#base/values/json';
import { type Database, type Queryable, type Sql, sql, type Transaction } from '#blocks/database';
import { leasesMigrations } from '#blocks/leases';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { bucketOfKey, type StreamInfo } from './event.ts';
import { streamMigrations } from './migrations.ts';
import { type StreamOptions, streamOptions } from './options.ts';
import type { Appended, AppendRow, LogStore, StreamStore } from './store.ts';
import { createPostgresStreams } from './stores/postgres.ts';
import { createStreams, type Streams } from './streams.ts';

const signal = new AbortController().signal;
const NOW_MS = 1_800_000_000_000;
const OPTIONS = parseOptions(streamOptions, {});

/** A database with the tables of this block. Commits do not wait for the disk: no test here kills Postgres. */
export async function startLogDatabase(): Promise<TestDatabase> {
  const started = await startTestDatabase({
    migrations: [leasesMigrations, streamMigrations],
    options: { poolMax: 20 },
  });
  await started.admin.run(sql`alter database loadstone set synchronous_commit = off`);
  return started;
}

/** A transaction such as consumers and the relay use. */
export function transactAsSystem<T>(
  database: Pick<Database, 'transact'>,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return database.transact(
    { system: 'stream', workspaceId: '0', bucket: 0 },
    { signal, role: 'system' },
    work,
  );
}

export interface TestEvent {
  key: string;
  /** Default: `tested`. */
  type?: string;
  payload?: JsonValue;
  workspaceId?: string;
  createdAtMs?: number;
  traceparent?: string;
}

let ids = 0;

/** The rows of new events, as a query. */
export function rowsOf(stream: StreamInfo, events: readonly TestEvent[]): Sql<AppendRow> {
  const rows = events.map(
    ({ key, type = 'tested', payload = {}, workspaceId = '1', createdAtMs = NOW_MS, traceparent = null }) => {
      ids += 1;
      const text = JSON.stringify(payload);
      const partition = bucketOfKey(workspaceId, key) % stream.partitions;
      return {
        id: String(ids),
        key,
        type,
        text,
        workspaceId,
        at: new Date(createdAtMs),
        partition,
        traceparent,
      };
    },
  );
  return sql<AppendRow>`
    select place as seq, event_id, workspace_id, created_at, ${stream.streamId}::integer as stream_id,
      octet_length(payload) as bytes, partition, 0::smallint as bucket, type, key,
      traceparent, payload::json as payload
    from unnest(${rows.map(({ id }) => id)}::bigint[], ${rows.map(({ workspaceId }) => workspaceId)}::bigint[],
      ${rows.map(({ at }) => at)}::timestamptz[], ${rows.map(({ partition }) => partition)}::smallint[],
      ${rows.map(({ type }) => type)}::text[], ${rows.map(({ key }) => key)}::text[], ${rows.map(({ text }) => text)}::text[],
      ${rows.map(({ traceparent }) => traceparent)}::text[])
      with ordinality as event (event_id, workspace_id, created_at, partition, type, key, payload, traceparent, place)`;
}

/** Appends as a relay does, but for the lease. */
export function append(
  database: Pick<Database, 'transact'>,
  store: Pick<LogStore, 'append'>,
  [stream, events]: [StreamInfo, readonly TestEvent[]],
): Promise<Appended> {
  return transactAsSystem(database, (tx) => store.append(tx, rowsOf(stream, events)));
}

/** One process that has streams, with a clock of its own. */
export interface LogProcess {
  clock: ManualClock;
  metrics: Metrics;
  store: StreamStore;
  streams: Streams;
  /** Appends, and tells this process at once. */
  publish(stream: StreamInfo, events: readonly TestEvent[]): Promise<void>;
}

export interface LogProcessOptions {
  options?: Partial<StreamOptions>;
  seed?: number;
  log?: Log;
  /** Stands between the process and its tables. */
  core?: Queryable;
  transact?: Database['transact'];
}

export async function startLogProcess(
  database: Database,
  {
    options = {},
    seed = 1,
    core = database.core,
    transact = database.transact,
    log = silentLog,
  }: LogProcessOptions = {},
): Promise<LogProcess> {
  const clock = createManualClock();
  const metrics = createMetrics();
  const store = createPostgresStreams(core);
  const deps = { clock, random: seededRandom(seed), log, metrics, database: { transact }, store };
  const streams = createStreams({ ...OPTIONS, ...options }, deps);
  await streams.start(signal);
  return {
    clock,
    metrics,
    store,
    streams,
    async publish(stream, events) {
      const { heads } = await append(database, store, [stream, events]);
      streams.appended(heads);
    },
  };
}
