/**
 * Makes an installation out of a logical backup: migrations make the tables of an empty database, and the rows are loaded
 * in one transaction.
 */
import { identifier, type LoginConnection, sql, withLoginConnection } from '#blocks/database';
import { backupErrors } from '../errors.ts';
import { readMigrationState, setApart } from '../postgres-connection.ts';
import { createOpener, verifyFiles } from '../repository/check.ts';
import type { BackupKeys } from '../repository/key.ts';
import type { LogicalTables, Manifest } from '../repository/manifest.ts';
import { assertMasterKey } from '../repository/master-key-copy.ts';
import { type GoodEntry, isGood, listBackups } from '../repository/repository.ts';
import { readStored } from '../repository/stored-file.ts';
import { type RestoreDeps, refusePlain, restoreBeside, takeTarget } from './restore.ts';

export interface LogicalRestoreRequest {
  directory: string;
  /** Gets the journals and the master key: missing, or empty. */
  dataDirectory: string;
  /** Of an empty database. */
  url: string;
  secret: string | undefined;
  masterKey: string | undefined;
  /** Brings the database up to date: its tables, and nothing in them. */
  migrate: () => Promise<void>;
}

export interface LogicallyRestored {
  name: string;
  statedAt: string;
  tables: number;
  rows: number;
  /** Schedules of backups that it no longer has. */
  schedulesEnded: number;
}

type LogicalEntry = GoodEntry & { manifest: { tables: LogicalTables } };

function findNewest(directory: string): LogicalEntry {
  const found = listBackups(directory)
    .filter(isGood)
    .findLast(({ manifest }) => manifest.kind === 'logical');
  if (found) return found as LogicalEntry;
  throw backupErrors.backup_missing({ detail: `${directory} holds no good logical backup` });
}

async function refuseUsed(connection: LoginConnection): Promise<void> {
  const found = await connection.first<{ name: string }>(sql`
    select nspname as name from pg_namespace
    where nspname not like 'pg\_%' and nspname not in ('information_schema', 'public')
    union all
    select relname from pg_class where relnamespace = to_regnamespace('public') and relkind in ('r', 'p')
    limit 1`);
  if (!found) return;
  throw backupErrors.restore_target_unusable({
    detail: `the database is not empty: it holds ${found.name}; make a new one with "create database"`,
  });
}

function describeStates(states: Manifest['migrations']): Map<string, number> {
  return new Map(states.map(({ room, number }) => [room, number]));
}

async function refuseOtherMigrations(connection: LoginConnection, manifest: Manifest): Promise<void> {
  const here = describeStates(await readMigrationState(connection));
  const there = describeStates(manifest.migrations);
  const room = [...new Set([...here.keys(), ...there.keys()])].find(
    (each) => here.get(each) !== there.get(each),
  );
  if (room === undefined) return;
  throw backupErrors.backup_version_wrong({
    detail: `${room} is at migration ${there.get(room) ?? 'none'} in the backup, by Loadstone ${manifest.loadstone}, and at ${here.get(room) ?? 'none'} in this program: use that version with the same --systems`,
  });
}

/** What migrations and the first start have put there comes from the backup as well. */
async function load(
  connection: LoginConnection,
  { directory, manifest }: LogicalEntry,
  { keys, signal }: { keys: BackupKeys | undefined; signal: AbortSignal },
): Promise<Pick<LogicallyRestored, 'rows' | 'schedulesEnded'>> {
  const { partitions, contents, sequences } = manifest.tables;
  let rows = 0;
  await connection.run(sql`begin`);
  await connection.run(sql`set local role loadstone_owner`);
  for (const partition of partitions) await connection.addPartition(partition);
  for (const { schema, name } of contents)
    await connection.run(sql`truncate ${identifier(`${schema}.${name}`)}`);
  for (const table of contents) {
    const file = manifest.files.find(({ path }) => path === table.path);
    if (!file) throw backupErrors.backup_damaged({ detail: `${directory} lacks ${table.path}` });
    await readStored(directory, file, { keys, signal }, async (plain) => {
      rows += await connection.copyIn(table, plain);
    });
  }
  for (const { schema, name, lastValue } of sequences) {
    if (lastValue === null) continue;
    await connection.run(sql`select setval(to_regclass(${`${schema}.${name}`}), ${lastValue}::bigint, true)`);
  }
  const schedulesEnded = await setApart(connection);
  await connection.run(sql`commit`);
  return { rows, schedulesEnded };
}

/**
 * Restores the newest logical backup of a directory into an empty database.
 * @throws the errors of this block
 */
export async function restoreLogical(
  request: LogicalRestoreRequest,
  deps: RestoreDeps,
): Promise<LogicallyRestored> {
  const { random } = deps;
  const entry = findNewest(request.directory);
  const { manifest } = entry;
  refusePlain([entry], request.secret);
  const keys = await createOpener(request.secret).keysOf(entry);
  assertMasterKey(manifest, request.masterKey, random);
  const lock = takeTarget(request.dataDirectory, request.directory);
  try {
    const loaded = await restoreRows(request, { entry, keys }, deps);
    return {
      name: manifest.name,
      statedAt: manifest.statedAt,
      tables: manifest.tables.contents.length,
      ...loaded,
    };
  } finally {
    lock.release();
  }
}

async function restoreRows(
  request: LogicalRestoreRequest,
  { entry, keys }: { entry: LogicalEntry; keys: BackupKeys | undefined },
  { signal, report }: RestoreDeps,
): Promise<Pick<LogicallyRestored, 'rows' | 'schedulesEnded'>> {
  const { manifest } = entry;
  report('checking the backup');
  await verifyFiles(entry, manifest.files, signal);
  await withLoginConnection(request.url, signal, refuseUsed);
  report('making the tables');
  await request.migrate();
  report('loading the rows');
  const loaded = await withLoginConnection(request.url, signal, async (connection) => {
    await refuseOtherMigrations(connection, manifest);
    return load(connection, entry, { keys, signal });
  });
  await restoreBeside(request.dataDirectory, { entry, files: [], keys }, { ...request, signal });
  return loaded;
}
