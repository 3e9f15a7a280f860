/**
 * Migrations: numbered SQL files per room, applied in order under an advisory lock, each in a transaction of its own
 * unless its head says `-- no-transaction` (then it holds one statement, such as `create index concurrently`, that may be
 * repeated after a crash). Expand and contract: a file states by `-- min-compatible: N` the lowest
 * number that a running program must know to go on using the database after it (default 0: every program may), so
 * that old processes live through a rolling upgrade and are refused only after a contraction.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { describeError, isLoadstoneError } from '#base/errors';
import type { Log } from '#base/log';
import { databaseErrors } from './errors.ts';
import type { Address } from './pool.ts';

export interface MigrationSet {
  /** Whose migrations these are: a block or a system. */
  room: string;
  /** A system's own schema, made and granted before its first migration; undefined for rooms that live in `core`. */
  schema: string | undefined;
  directory: URL;
}

interface Migration {
  room: string;
  number: number;
  name: string;
  text: string;
  checksum: string;
  minCompatible: number;
  asLogin: boolean;
  inTransaction: boolean;
}

interface Applied {
  number: number;
  name: string;
  checksum: string;
  min_compatible: number;
}

/** Any fixed number: all processes that migrate one database meet at this lock. */
const LOCK_KEY = 7_305_126_811;
const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
const SCHEMA_NAME = /^[a-z][a-z0-9_]{0,40}$/;

function readMigrations(set: MigrationSet): Migration[] {
  const directory = fileURLToPath(set.directory);
  return readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file, index) => {
      const number = Number(FILE_NAME.exec(file)?.[1]);
      if (number !== index + 1) {
        throw databaseErrors.migration_failed({
          detail: `${set.room}: ${file} should be named ${String(index + 1).padStart(4, '0')}_<name>.sql`,
        });
      }
      const text = readFileSync(`${directory}/${file}`, 'utf8');
      const head = text.split('\n').filter((line) => line.startsWith('--'));
      return {
        room: set.room,
        number,
        name: basename(file, '.sql'),
        text,
        checksum: createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex'),
        minCompatible: Number(/^-- min-compatible: (\d+)$/m.exec(text)?.[1] ?? 0),
        asLogin: head.includes('-- as-login'),
        inTransaction: !head.includes('-- no-transaction'),
      };
    });
}

/** The migrations still to apply. Pure: refuses altered, missing and too new ones. */
function pending(room: string, known: readonly Migration[], applied: readonly Applied[]): Migration[] {
  const newest = applied.at(-1);
  if (newest && newest.number > known.length) {
    const lowest = Math.max(...applied.map((row) => row.min_compatible));
    if (known.length < lowest) {
      throw databaseErrors.database_too_new({
        detail: `${room}: the database is at ${newest.name} and works with programs that know ${lowest} or more migrations; this one knows ${known.length}`,
      });
    }
  }
  for (const row of applied) {
    const migration = known[row.number - 1];
    if (migration && migration.checksum !== row.checksum) {
      throw databaseErrors.migration_failed({
        detail: `${room}: ${migration.name} was changed after it had been applied; restore the file and add a new migration instead`,
      });
    }
  }
  return known.slice(newest?.number ?? 0);
}

async function applied(client: pg.Client, room: string): Promise<Applied[]> {
  const there = await client.query<{ found: string | null }>(
    `select to_regclass('core.migrations') as found`,
  );
  if (!there.rows[0]?.found) return [];
  const rows = await client.query<Applied>(
    `select number, name, checksum, min_compatible from core.migrations where room = $1 order by number`,
    [room],
  );
  return rows.rows;
}

async function makeSchema(client: pg.Client, schema: string): Promise<void> {
  if (!SCHEMA_NAME.test(schema)) {
    throw databaseErrors.migration_failed({ detail: `${schema} cannot be the name of a schema` });
  }
  await client.query(`
    begin;
    set local role loadstone_owner;
    create schema if not exists ${schema} authorization loadstone_owner;
    grant usage on schema ${schema} to loadstone_app, loadstone_system;
    alter default privileges in schema ${schema}
      grant select, insert, update, delete on tables to loadstone_app, loadstone_system;
    alter default privileges in schema ${schema} grant usage on sequences to loadstone_app, loadstone_system;
    commit;`);
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const asOwner = migration.asLogin
    ? ''
    : `set ${migration.inTransaction ? 'local' : ''} role loadstone_owner`;
  try {
    if (migration.inTransaction) await client.query('begin');
    if (asOwner) await client.query(asOwner);
    await client.query(migration.text);
    await client.query(
      `insert into core.migrations (room, number, name, checksum, min_compatible) values ($1, $2, $3, $4, $5)`,
      [migration.room, migration.number, migration.name, migration.checksum, migration.minCompatible],
    );
    if (migration.inTransaction) await client.query('commit');
    else await client.query('reset role');
  } catch (cause) {
    if (migration.inTransaction) await client.query('rollback').catch(() => {});
    throw databaseErrors.migration_failed({
      detail: `${migration.room}: ${migration.name}: ${describeError(cause)}`,
      cause,
    });
  }
}

async function migrateRoom(client: pg.Client, set: MigrationSet, log: Log): Promise<number> {
  const due = pending(set.room, readMigrations(set), await applied(client, set.room));
  if (due.length > 0 && set.schema !== undefined) await makeSchema(client, set.schema);
  for (const migration of due) {
    await apply(client, migration);
    log.info({ room: migration.room, migration: migration.name }, 'migrated');
  }
  return due.length;
}

/**
 * Brings the database up to date with `sets`, in their order. Safe to run in many processes at once.
 * @returns how many migrations were applied
 */
export async function migrate(address: Address, sets: readonly MigrationSet[], log: Log): Promise<number> {
  const client = new pg.Client({ ...address, application_name: 'loadstone migrate' });
  let lost: Error | undefined;
  client.on('error', (error) => {
    lost = error;
  });
  try {
    await client.connect();
    await checkVersion(client);
    await client.query(`select pg_advisory_lock(${LOCK_KEY})`);
    let count = 0;
    for (const set of sets) count += await migrateRoom(client, set, log);
    return count;
  } catch (cause) {
    if (isLoadstoneError(cause)) throw cause;
    throw databaseErrors.database_unavailable({ detail: describeError(lost ?? cause), cause });
  } finally {
    await client.end().catch(() => {});
  }
}

async function checkVersion(client: pg.Client): Promise<void> {
  const result = await client.query<{ version: string; text: string }>(
    `select current_setting('server_version_num') as version, current_setting('server_version') as text`,
  );
  const row = result.rows[0];
  if (Number(row?.version) < 170_000) {
    throw databaseErrors.database_unsupported({
      detail: `Postgres 17 or newer is needed; this is ${row?.text}`,
    });
  }
}
