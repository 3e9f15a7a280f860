/**
 * Migrations: numbered SQL files per room, applied in order under an advisory lock, each in a transaction of its own
 * unless its head says `-- no-transaction` (then it holds one statement, such as `create index concurrently`, that may be
 * repeated after a crash). Expand and contract: a file states by `-- min-compatible: N` the lowest
 * number that a running program must know to go on using the database after it (default 0: every program may), so
 * that old processes live through a rolling upgrade and are refused only after a contraction.
 */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { sleep } from '#base/clock';
import { describeError, isLoadstoneError, type LoadstoneError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import { classify, endsConnection } from '../failure.ts';
import { withLogin } from '../primary/login.ts';
import {
  type AppliedMigration,
  type Migration,
  type MigrationSet,
  pendingMigrations,
  readMigrations,
} from './migration-files.ts';

export interface MigrateDeps extends Pick<Runtime, 'clock' | 'log'> {
  /** Ends it all: what is under way is rolled back. */
  signal: AbortSignal;
  /** Told in a person's words what is being waited for. */
  report: (line: string) => void;
}

/** Any fixed number: all processes that migrate one database meet at this lock. */
const LOCK_KEY = 7_305_126_811;
const LOCK_POLL_MS = 50;
const RETRY_MS = 500;
/** A migration that waits for a table makes everybody behind it wait: it steps back after this, and tries again. */
const TABLE_LOCK_TIMEOUT_MS = 2000;
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * Brings the database up to date with `sets`, in their order. Safe to run in many processes at once. A server that
 * cannot be reached (it may be starting too) is tried again until the signal aborts.
 * @param locate where the primary is, asked at each try: it may be replaced meanwhile
 * @returns how many migrations were applied
 * @throws migration_failed, database_too_new, database_unsupported, or the signal's reason
 */
export async function migrate(
  locate: () => Address,
  sets: readonly MigrationSet[],
  deps: MigrateDeps,
): Promise<number> {
  const rooms = sets.map(({ room }) => room);
  assert(new Set(rooms).size === rooms.length, `each room has one set of migrations: ${rooms}`);
  const known = sets.map((set) => ({ set, migrations: readMigrations(set) }));

  const migrateAll = async (client: pg.Client): Promise<number> => {
    await waitForLock(client, deps);
    let count = 0;
    for (const { set, migrations } of known) count += await migrateRoom(client, set, migrations, deps);
    return count;
  };
  for (let reason = ''; ; ) {
    try {
      return await withLogin(locate(), deps.signal, migrateAll);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (reason !== error.message) deps.report(`Postgres cannot be reached yet: ${error.message}`);
      reason = error.message;
      await sleep(deps.clock, RETRY_MS, deps.signal);
    }
  }
}

function isUnavailable(error: unknown): error is LoadstoneError {
  return isLoadstoneError(error) && error.code === 'database_unavailable';
}

/**
 * Asks again and again, because a session that waits inside `pg_advisory_lock` holds a snapshot: `create index
 * concurrently` in the session that has the lock would wait for that one, and neither would go on.
 */
async function waitForLock(client: pg.Client, { clock, signal, report }: MigrateDeps): Promise<void> {
  for (let tries = 0; ; tries++) {
    const result = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(${LOCK_KEY}) as locked`,
    );
    if (result.rows[0]?.locked) return;
    if (tries === 0) report('another process is migrating the database');
    await sleep(clock, LOCK_POLL_MS, signal);
  }
}

async function migrateRoom(
  client: pg.Client,
  set: MigrationSet,
  migrations: readonly Migration[],
  deps: MigrateDeps,
): Promise<number> {
  const due = pendingMigrations(set.room, migrations, await readApplied(client, set.room));
  if (due.length > 0 && set.schema !== undefined) await makeSchema(client, set.room, set.schema);
  for (const migration of due) {
    if (migration.inTransaction) await applyWhenFree(client, migration, deps);
    else await applyOutsideTransaction(client, migration, set.schema ?? 'core');
    deps.log.info({ room: migration.room, migration: migration.name }, 'migrated');
  }
  return due.length;
}

async function readApplied(client: pg.Client, room: string): Promise<AppliedMigration[]> {
  const found = await client.query(
    `select from pg_catalog.pg_tables where schemaname = 'core' and tablename = 'migrations'`,
  );
  if (found.rowCount === 0) return [];
  await client.query('begin; set local role loadstone_owner');
  const applied = await client.query<AppliedMigration>(
    `select number, name, checksum, min_compatible from core.migrations where room = $1 order by number`,
    [room],
  );
  await client.query('commit');
  return applied.rows;
}

async function makeSchema(client: pg.Client, room: string, schema: string): Promise<void> {
  try {
    await client.query(`
      begin;
      set local role loadstone_owner;
      create schema if not exists ${schema} authorization loadstone_owner;
      grant usage on schema ${schema} to loadstone_app, loadstone_system;
      alter default privileges in schema ${schema}
        grant select, insert, update, delete on tables to loadstone_app, loadstone_system;
      alter default privileges in schema ${schema} grant usage on sequences to loadstone_app, loadstone_system;
      commit;`);
  } catch (error) {
    throw toMigrationError(`${room}: schema ${schema}`, error);
  }
}

async function applyWhenFree(client: pg.Client, migration: Migration, deps: MigrateDeps): Promise<void> {
  for (;;) {
    try {
      await applyInTransaction(client, migration);
      return;
    } catch (error) {
      await client.query('rollback').catch(() => {});
      const { room, name } = migration;
      if (classify(error) !== 'conflict')
        throw toMigrationError(`${room}: ${name}`, error, migration.asLogin);
      deps.report(`${room}: ${name} waits for a table that is in use`);
      deps.log.warn({ room, migration: name, err: error }, 'a migration waits for a lock and is tried again');
      await sleep(deps.clock, RETRY_MS, deps.signal);
    }
  }
}

async function applyInTransaction(client: pg.Client, migration: Migration): Promise<void> {
  await client.query(`begin; set local lock_timeout = ${TABLE_LOCK_TIMEOUT_MS}`);
  if (!migration.asLogin) await client.query('set local role loadstone_owner');
  await client.query(migration.text);
  if (client.getTransactionStatus() !== 'T') {
    throw new Error('it ends its transaction; mark it "-- no-transaction", or leave out begin and commit');
  }
  await client.query('set local role loadstone_owner');
  await record(client, migration);
  await client.query('commit');
}

async function applyOutsideTransaction(
  client: pg.Client,
  migration: Migration,
  schema: string,
): Promise<void> {
  try {
    await client.query('set role loadstone_owner');
    await dropInvalidIndexes(client, migration, schema);
    await client.query(migration.text);
    await record(client, migration);
    await client.query('reset role');
  } catch (error) {
    throw toMigrationError(`${migration.room}: ${migration.name}`, error);
  }
}

/** `create index concurrently` that failed or was killed leaves an index that is never used, and keeps its name. */
async function dropInvalidIndexes(client: pg.Client, migration: Migration, schema: string): Promise<void> {
  const invalid = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_catalog.pg_index i
     join pg_catalog.pg_class c on c.oid = i.indexrelid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where not i.indisvalid and n.nspname = $1 and position(c.relname in $2) > 0`,
    [schema, migration.text],
  );
  for (const { name } of invalid.rows) await client.query(`drop index concurrently ${name}`);
}

async function record(client: pg.Client, migration: Migration): Promise<void> {
  await client.query(
    `insert into core.migrations (room, number, name, checksum, min_compatible) values ($1, $2, $3, $4, $5)`,
    [migration.room, migration.number, migration.name, migration.checksum, migration.minCompatible],
  );
}

/** A lost connection is not the migration's fault: all of it is tried again. */
function toMigrationError(what: string, cause: unknown, asLogin = false): unknown {
  if (endsConnection(cause)) return cause;
  const detail = `${what}: ${describeError(cause)}`;
  const isForbidden = asLogin && (cause as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE;
  return isForbidden
    ? databaseErrors.database_unsupported({ detail, cause })
    : databaseErrors.migration_failed({ detail, cause });
}
