/**
 * A shop for tests: items, and a projection that counts them by kind. Every part of a process can be left out, so that
 * events wait where a test wants them.
 */
import Type, { type Static } from 'typebox';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import { createTracer } from '#base/trace';
import { type Database, identifier, type Queryable, sql } from '#blocks/database';
import type { Outbox } from '#blocks/outbox';
import { defineEvent, type EventDefinition, type NewEvent, type Streams } from '#blocks/stream';
import { coreMigrations, createTestCore } from '#fixtures/core';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import {
  type Apply,
  defineProjection,
  type ProjectedEvent,
  type ProjectionDefinition,
} from './definition.ts';
import { projectionMigrations } from './migrations.ts';
import { type ProjectionOptions, projectionOptions } from './options.ts';
import { createProjections, type Projections } from './projections.ts';

const never = new AbortController().signal;
const MIGRATIONS = [...coreMigrations, projectionMigrations];
const PARTITIONS = 4;

/** A database with all that projections need. Commits do not wait for the disk: no test here kills Postgres. */
export async function startShopDatabase(): Promise<TestDatabase> {
  const started = await startTestDatabase({ migrations: MIGRATIONS, options: { poolMax: 15 } });
  await started.admin.run(sql`alter database loadstone set synchronous_commit = off`);
  return started;
}

/** The same database, as another process has it. */
export function joinShopDatabase({ url }: TestDatabase): Promise<TestDatabase> {
  return startTestDatabase({ migrations: MIGRATIONS, options: { primary: url } });
}

/** As a migration would. */
export function asOwner<T>({ database }: TestDatabase, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return database.alter({ signal: never, timeoutMs: 10_000, lockTimeoutMs: 1000 }, work);
}

const grantees = sql`loadstone_app, loadstone_system`;

export interface Shop {
  /** The schema, which is also the names of the stream and of the projection. */
  name: string;
  projection: ProjectionDefinition;
  /** Keys of which `apply` refuses the events. */
  refused: Set<string>;
  /** Called at the end of each `apply`. */
  setFault(fault: () => Promise<void>): void;
}

const Change = Type.Object({
  itemId: Type.String(),
  kind: Type.String(),
  n: Type.Integer(),
  amount: Type.Integer(),
});
type Change = Static<typeof Change>;

/** Of the shop's stream. */
export function itemChangedOf(stream: string): EventDefinition<'item.changed', Change> {
  return defineEvent('item.changed', Change, { stream, key: ({ itemId }) => itemId });
}

/** @param more what else the projection is to have */
export async function makeShop(
  it: TestDatabase,
  name: string,
  more: Partial<Pick<ProjectionDefinition, 'settled' | 'uncompared' | 'truth' | 'table'>> = {},
): Promise<Shop> {
  const items = identifier(`${name}.items`);
  const counts = identifier(`${name}.counts`);
  await asOwner(it, async (tx) => {
    await tx.run(sql`create schema ${identifier(name)}`);
    await tx.run(sql`grant usage on schema ${identifier(name)} to ${grantees}`);
    await tx.run(sql`
      create table ${items} (
        workspace_id bigint not null, bucket smallint not null, item_id text not null, kind text not null,
        amount integer not null, primary key (workspace_id, item_id))`);
    await tx.run(sql`
      create table ${counts} (
        workspace_id bigint not null, kind text not null, n bigint not null, amount bigint not null,
        touched_at timestamptz not null default now(), primary key (workspace_id, kind))`);
    await tx.run(sql`grant select, insert, update, delete on ${items}, ${counts} to ${grantees}`);
  });
  const refused = new Set<string>();
  let fault = async () => {};
  const apply: Apply<ProjectedEvent<EventDefinition<'item.changed', Change>>> = async (events, tx, table) => {
    const changes = events.map(({ payload }) => payload);
    // A row appears with the first item of a kind and goes with the last.
    await tx.run(sql`
      insert into ${table} as counts (workspace_id, kind, n, amount)
      select workspace_id, kind, sum(n), sum(amount)
      from unnest(${events.map(({ workspaceId }) => workspaceId)}::bigint[],
        ${changes.map(({ kind }) => kind)}::text[], ${changes.map(({ n }) => n)}::bigint[],
        ${changes.map(({ amount }) => amount)}::bigint[]) as change (workspace_id, kind, n, amount)
      group by workspace_id, kind
      order by workspace_id, kind
      on conflict (workspace_id, kind)
      do update set n = counts.n + excluded.n, amount = counts.amount + excluded.amount, touched_at = now()`);
    await tx.run(sql`delete from ${table} where n = 0`);
    const bad = events.find(({ key }) => refused.has(key));
    if (bad) throw new Error(`refused: ${bad.key}`);
    await fault();
  };
  const projection = defineProjection({
    name,
    system: name,
    table: 'counts',
    on: [itemChangedOf(name)],
    apply,
    truth: sql`
      select workspace_id, kind, count(*) as n, sum(amount) as amount from ${items} group by workspace_id, kind`,
    uncompared: ['touched_at'],
    ...more,
  });
  return {
    name,
    projection,
    refused,
    setFault(next) {
      fault = next;
    },
  };
}

let processes = 0;

export interface ShopProcess {
  metrics: Metrics;
  streams: Streams;
  outbox: Outbox;
  projections: Projections;
  /** Puts an item there, with another kind or amount than before, or takes it away (`undefined`), and tells of it. */
  put(itemId: string, item: { kind: string; amount: number } | undefined): Promise<void>;
  stop(): Promise<void>;
}

export interface ProcessOptions {
  options?: Partial<ProjectionOptions>;
  hasRelay?: boolean;
  hasConsumer?: boolean;
  database?: Database;
}

const STREAM_OPTIONS = {
  leaseMs: 500,
  pollMs: 5,
  batchMax: 50,
  attemptsMax: 2,
  backoffBaseMs: 1,
  backoffMaxMs: 2,
};

/** A process of a server on the database; what is started of it is for the caller to say. */
export async function startShopProcess(
  it: TestDatabase,
  shop: Shop,
  settings: ProcessOptions = {},
): Promise<ShopProcess> {
  const { options = {}, hasRelay = true, hasConsumer = true, database = it.database } = settings;
  processes += 1;
  const random = seededRandom(processes);
  const tracer = createTracer(random);
  const deps = { clock: systemClock, random, log: silentLog, metrics: createMetrics(), tracer, database };
  const { ids, streams, outbox } = createTestCore(deps, {
    ...deps,
    options: { stream: STREAM_OPTIONS, outbox: { batchMax: 50, leaseMs: 500, pollMs: 5 } },
  });
  const projections = createProjections(
    { ...parseOptions(projectionOptions, {}), ...options },
    { ...deps, streams, definitions: [shop.projection] },
  );
  const underWay = new Set<Promise<void>>();
  await ids.start(never);
  await streams.start(never);
  await streams.declare(shop.name, PARTITIONS);
  if (hasRelay) await outbox.start(never);
  if (hasConsumer) await projections.start(never);
  return {
    metrics: deps.metrics,
    streams,
    outbox,
    projections,
    async put(itemId, item) {
      const written = database.transact(
        { system: shop.name, ...PLACEMENT },
        { signal: never },
        async (tx) => {
          const events = await change(tx, shop, itemId, item);
          await outbox.insertEvents(tx, PLACEMENT, events, TRACEPARENT);
        },
      );
      underWay.add(written);
      await written.finally(() => underWay.delete(written));
      outbox.wake();
    },
    async stop() {
      await projections.stop(never);
      await outbox.stop(never);
      await streams.stop(never);
      // As a server does, which answers what it has taken before what that needs is stopped.
      await Promise.allSettled(underWay);
      await ids.stop(never);
    },
  };
}

const PLACEMENT = { workspaceId: '1', bucket: 0 };
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** The lock on the item's name stands for one on its row, which may not be there. */
async function change(
  tx: Queryable,
  { name: stream }: Shop,
  itemId: string,
  item: { kind: string; amount: number } | undefined,
): Promise<NewEvent[]> {
  const items = identifier(`${stream}.items`);
  await tx.run(sql`select pg_advisory_xact_lock(hashtextextended(${`${stream}/${itemId}`}::text, 0))`);
  const old = await tx.first<{ kind: string; amount: number }>(sql`
    delete from ${items} where workspace_id = 1 and item_id = ${itemId} returning kind, amount`);
  if (item) {
    await tx.run(sql`
      insert into ${items} (workspace_id, bucket, item_id, kind, amount)
      values (1, 0, ${itemId}, ${item.kind}, ${item.amount})`);
  }
  const told = (change: Omit<Change, 'itemId'>) => itemChangedOf(stream).of({ itemId, ...change });
  return [
    ...(old ? [told({ kind: old.kind, n: -1, amount: -old.amount })] : []),
    ...(item ? [told({ kind: item.kind, n: 1, amount: item.amount })] : []),
  ];
}

export interface CountRow {
  kind: string;
  n: string;
  amount: string;
}

export function readCounts({ admin }: TestDatabase, { name }: Shop): Promise<CountRow[]> {
  return admin.rows<CountRow>(sql`select kind, n, amount from ${identifier(`${name}.counts`)} order by kind`);
}

export function readTruth({ admin }: TestDatabase, { name }: Shop): Promise<CountRow[]> {
  return admin.rows<CountRow>(sql`
    select kind, count(*) as n, sum(amount) as amount from ${identifier(`${name}.items`)} group by kind order by kind`);
}
