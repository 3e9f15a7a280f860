/**
 * Databases for tests: a real Postgres each, in a directory of its own, gone when the tests of the file have ended.
 * Other rooms import this as `#fixtures/database`, in tests only.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createEmbeddedPostgres, SUPERUSER_NAME } from '#blocks/postgres';
import { copyCluster } from '#fixtures/postgres';
import { parseAddress } from './address.ts';
import { createDatabase } from './database.ts';
import type { MigrationSet } from './migrate/migration-files.ts';
import { type DatabaseOptions, databaseOptions } from './options.ts';
import type { Database } from './port.ts';
import { createPool } from './primary/pool.ts';
import type { Queryable } from './queryable.ts';
import { identifier, sql } from './sql.ts';

export { copyCluster, copyPrepared } from '#fixtures/postgres';

export interface TestDatabaseSettings {
  migrations?: readonly MigrationSet[];
  options?: Partial<DatabaseOptions>;
  /** For a second start on the same data. Made and removed if it is not given. */
  dataDirectory?: string;
  /** `join`: the Postgres of `dataDirectory` is run by another database. */
  embedded?: 'own' | 'join';
  report?: (line: string) => void;
}

export interface TestDatabase {
  database: Database;
  /** Acts as the superuser: for what a test must look behind, or break. */
  admin: Queryable;
  /** The same server and database, as a second `Database` would be told. */
  url: string;
  dataDirectory: string;
  metrics: Metrics;
  /** Safe to call twice. */
  stop(): Promise<void>;
}

/** A Postgres that a `Database` is only told the address of. */
export interface TestPostgres {
  socketDirectory: string;
  /** Makes an empty database, and gives its address for `database.primary`: as its owner, who is the superuser if not given. */
  makeDatabase(owner?: string): Promise<string>;
  /** Acts as the superuser, in a database of its own. */
  admin: Queryable;
  stop(): Promise<void>;
}

const never = new AbortController().signal;
const STOP_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 300_000;

const running = new Set<() => Promise<void>>();
// At the end of the file, wherever its tests called from: an `after` made inside a `before` would run at once.
after(async () => {
  for (const stop of [...running].reverse()) await stop();
});

function stopAtEnd(stop: () => Promise<void>): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  const once = () => {
    running.delete(once);
    stopped ??= stop();
    return stopped;
  };
  running.add(once);
  return once;
}

/** A directory that is removed when the tests of the file have ended. */
export function makeTestDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'loadstone-test-'));
  stopAtEnd(async () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A database that is not started yet; `primary` among the options makes it use that server. */
export function makeTestDatabase(settings: TestDatabaseSettings = {}) {
  const { migrations = [], options = {}, report = () => {}, embedded } = settings;
  const dataDirectory = settings.dataDirectory ?? makeTestDirectory();
  const metrics = createMetrics();
  const database = createDatabase(parseOptions(databaseOptions, options), {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics,
    dataDirectory,
    embedded,
    migrations,
    report,
  });
  const stop = stopAtEnd(() => database.stop(AbortSignal.timeout(STOP_TIMEOUT_MS)));
  return { database, dataDirectory, metrics, stop };
}

/** Starts a database, embedded unless the options name another, with the block's own migrations and those given. */
export async function startTestDatabase(settings: TestDatabaseSettings = {}): Promise<TestDatabase> {
  const made = makeTestDatabase(settings);
  const { primary } = settings.options ?? {};
  if (primary === undefined && settings.embedded !== 'join') await copyCluster(made.dataDirectory);
  await made.database.start(AbortSignal.timeout(START_TIMEOUT_MS));
  const url = primary ?? urlOf(readPostmasterFile(made.dataDirectory).socketDirectory, 'loadstone');
  const admin = openAdmin(url);
  const stop = stopAtEnd(async () => {
    await admin.close();
    await made.stop();
  });
  return { ...made, admin: admin.queryable, url, stop };
}

/** Postgres writes down where it listens, in the fifth line of this file; the first is its pid. */
export function readPostmasterFile(
  dataDirectory: string,
  name = 'postgres',
): { pid: number; socketDirectory: string; status: string } {
  const lines = readFileSync(join(dataDirectory, name, 'postmaster.pid'), 'utf8').split('\n');
  return { pid: Number(lines[0]), socketDirectory: lines[4] ?? '', status: (lines[7] ?? '').trim() };
}

function urlOf(socketDirectory: string, name: string, login = SUPERUSER_NAME): string {
  return `postgres://${login}@/${name}?host=${encodeURIComponent(socketDirectory)}`;
}

function openAdmin(url: string): { queryable: Queryable; close(): Promise<unknown> } {
  const pool = createPool(
    {
      address: parseAddress(url),
      role: SUPERUSER_NAME,
      connectionsMax: 2,
      waitMax: 100,
      statementTimeoutMs: 60_000,
    },
    { clock: systemClock, log: silentLog, onFailure: () => {} },
  );
  return { queryable: pool.queryable(), close: () => pool.close(AbortSignal.timeout(STOP_TIMEOUT_MS)) };
}

/** Where the server that runs its Postgres in this data directory finds it. */
export function locateDatabase(dataDirectory: string): string {
  return urlOf(readPostmasterFile(dataDirectory).socketDirectory, 'loadstone');
}

/** Where its standby answers reads; undefined while there is none. */
export function locateStandby(dataDirectory: string): string | undefined {
  const name = 'postgres-standby-1';
  if (!existsSync(join(dataDirectory, name, 'postmaster.pid'))) return undefined;
  const { status, socketDirectory } = readPostmasterFile(dataDirectory, name);
  return status === 'ready' ? urlOf(socketDirectory, 'loadstone') : undefined;
}

/** Looks behind servers that use the database at `url`, as the superuser. */
export function lookInto(url: string): { admin: Queryable; close(): Promise<void> } {
  const { queryable, close } = openAdmin(url);
  return { admin: queryable, close: stopAtEnd(async () => void (await close())) };
}

/** Starts a Postgres without a `Database` on it. */
export async function startTestPostgres(dataDirectory = makeTestDirectory()): Promise<TestPostgres> {
  const postgres = createEmbeddedPostgres(
    { directory: join(dataDirectory, 'postgres'), startTimeoutMs: START_TIMEOUT_MS },
    { clock: systemClock, random: systemRandom, log: silentLog },
  );
  const stopPostgres = stopAtEnd(() => postgres.stop(AbortSignal.timeout(STOP_TIMEOUT_MS)));
  await copyCluster(dataDirectory);
  await postgres.start(never);
  const { host } = postgres.address;
  const admin = openAdmin(urlOf(host, 'loadstone'));
  const stop = stopAtEnd(async () => {
    await admin.close();
    await stopPostgres();
  });
  let made = 0;
  // One after the other: each copies files, and on a slow disk those that waited for a connection would give up.
  let making: Promise<unknown> = Promise.resolve();
  return {
    socketDirectory: host,
    admin: admin.queryable,
    async makeDatabase(owner = SUPERUSER_NAME) {
      made += 1;
      const name = `test_${made}`;
      const create = () =>
        admin.queryable.run(
          sql`create database ${identifier(name)} owner ${identifier(owner)} strategy file_copy`,
        );
      const own = making.then(create, create);
      making = own;
      await own;
      return urlOf(host, name, owner);
    },
    stop,
  };
}

/** What other sessions are doing right now whose query contains `text`. */
export function sessionsWith({ admin }: TestDatabase, text: string) {
  return admin.rows<{ pid: number; state: string; wait_event: string | null }>(sql`
    select pid, state, wait_event from pg_stat_activity
    where query like ${`%${text}%`} and pid <> pg_backend_pid()`);
}

/** More queries at once than most tests allow connections: all are answered only if the pool is whole. */
export async function assertPoolIsWhole({ database }: TestDatabase): Promise<void> {
  const reader = database.reader({ consistency: 'strong' });
  const reads = [0, 1, 2].map((i) => reader.first(sql`select ${i}::integer as i from pg_sleep(0.02)`));
  assert.deepEqual(await Promise.all(reads), [{ i: 0 }, { i: 1 }, { i: 2 }]);
}
