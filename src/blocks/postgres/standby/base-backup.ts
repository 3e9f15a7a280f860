/**
 * A copy of a data directory, made while its Postgres serves: between pg_backup_start and pg_backup_stop the files are
 * read as they are, half-written pages included, and the log written meanwhile repairs them when a Postgres starts on
 * the copy (PostgreSQL manual, "Making a Base Backup Using the Low Level API"). The package ships no pg_basebackup.
 *
 * Usable from the process that owns Postgres and from any other of the same user: all it needs is the socket, as the
 * superuser, and the right to read the files.
 */
import { chown, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Random } from '#base/random';
import { createClient } from '../driver.ts';
import type { PostgresAddress } from '../engine.ts';
import { embeddedErrors, toDataError } from '../errors.ts';
import { SUPERUSER_NAME } from '../settings.ts';
import { copyFile } from './copy-file.ts';

export interface BaseBackupSource {
  /** Of the primary that runs on the directory. */
  address: PostgresAddress;
  dataDirectory: string;
}

export interface BaseBackupDeps {
  random: Random;
  signal: AbortSignal;
  /** Whom the copy will belong to: whoever will run Postgres on it. Default: the owner of the source. */
  owner?: { uid: number; gid: number };
}

export interface BaseBackup {
  /** Where the log begins that the copy needs. */
  startLsn: string;
  /** The copy is consistent from here on: it holds at least what was committed before. */
  stopLsn: string;
  timeline: number;
  /** As Postgres names it in `backup_label`. */
  label: string;
  /** Segments of the log in the copy, oldest first. */
  walFiles: string[];
  bytes: number;
}

/** Written anew by a start, bound to the running Postgres, or (`fenced`) said of this directory and not of a copy. */
const FILES_LEFT_OUT = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
  'tablespace_map.old',
  'standby.signal',
  'recovery.signal',
  'current_logfiles',
  'fenced',
]);
/** Their contents are of no use to a copy: the manual names them. */
const DIRECTORIES_LEFT_EMPTY = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const NAMES_LEFT_OUT = /^(pgsql_tmp|pg_internal\.init)/;
/** Copied last, so that it is not older than any file it speaks of. */
const CONTROL_FILE = 'global/pg_control';
const COPIES_AT_ONCE = 4;
const CONNECT_TIMEOUT_MS = 5000;

/** What a base backup goes without, by the path below the data directory: the whole of it, or what is in it. */
export function leftOutOf(path: string): 'whole' | 'contents' | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (FILES_LEFT_OUT.has(path) || NAMES_LEFT_OUT.test(name)) return 'whole';
  return DIRECTORIES_LEFT_EMPTY.has(path) ? 'contents' : undefined;
}

/**
 * @param target must not exist, in a directory that does; what a failed backup leaves there is the caller's to remove
 * @throws backup_refused, data_disk_full, data_unwritable, the signal's reason, and the driver's errors
 */
export async function takeBaseBackup(
  source: BaseBackupSource,
  target: string,
  deps: BaseBackupDeps,
): Promise<BaseBackup> {
  deps.signal.throwIfAborted();
  const client = createClient({
    ...source.address,
    user: SUPERUSER_NAME,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  let lost: Error | undefined;
  client.on('error', (error) => {
    lost ??= error;
  });
  await client.connect();
  // Cuts off a statement that is under way, such as the checkpoint at the beginning.
  const onAbort = () => void client.end();
  deps.signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await copyBetween(client, source.dataDirectory, target, deps);
  } catch (error) {
    deps.signal.throwIfAborted();
    throw lost ?? toDataError(error, target);
  } finally {
    deps.signal.removeEventListener('abort', onAbort);
    // Ends an unfinished backup as well, and drops its slot.
    await client.end();
  }
}

async function copyBetween(
  client: pg.Client,
  dataDirectory: string,
  target: string,
  { random, signal, ...deps }: BaseBackupDeps,
): Promise<BaseBackup> {
  const owner = deps.owner ?? (await ownerOf(dataDirectory));
  const label = `loadstone_backup_${random.bytes(6).toString('hex')}`;
  await refuseUnfit(client);
  // Keeps the log from here on, for as long as this connection lasts.
  await client.query('select pg_create_physical_replication_slot($1, true, true)', [label]);
  const startLsn = await startBackup(client, label);
  const chowned = process.getuid?.() === owner.uid ? undefined : owner;
  const copy = { signal, owner: chowned };
  await makeDirectory(target, chowned);
  const files = await copyTree(dataDirectory, target, '', copy);
  const bytes = await copyAll(dataDirectory, target, files, copy);
  const control = await readSettled(join(dataDirectory, CONTROL_FILE));
  await writeOwned(join(target, CONTROL_FILE), control, chowned);
  const stop = await stopBackup(client);
  await writeOwned(join(target, 'backup_label'), stop.labelFile, chowned);
  const walFiles = await copyLog(client, dataDirectory, target, { from: startLsn, to: stop.lsn, ...copy });
  await refuseLostSlot(client, label);
  return {
    startLsn,
    stopLsn: stop.lsn,
    timeline: Number.parseInt(walFiles[0]?.slice(0, 8) ?? '', 16),
    label,
    walFiles,
    bytes,
  };
}

async function ownerOf(directory: string): Promise<{ uid: number; gid: number }> {
  const { uid, gid } = await stat(directory);
  return { uid, gid };
}

async function refuseUnfit(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ standby: boolean; tablespaces: string[] }>(`
    select pg_is_in_recovery() as standby,
      array(select spcname::text from pg_tablespace where spcname not in ('pg_default', 'pg_global')) as tablespaces`);
  const { standby = false, tablespaces = [] } = rows[0] ?? {};
  if (standby) throw embeddedErrors.backup_refused({ detail: 'a base backup is taken of the primary' });
  if (tablespaces.length === 0) return;
  throw embeddedErrors.backup_refused({
    detail: `the database has tablespaces of its own (${tablespaces.join(', ')}), whose files lie elsewhere; move their tables and drop them`,
  });
}

async function startBackup(client: pg.Client, label: string): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>('select pg_backup_start($1, true)::text as lsn', [
    label,
  ]);
  return rows[0]?.lsn ?? '';
}

/** Ends the backup, and its last segment of the log with it: that is whole on disk when this returns. */
async function stopBackup(client: pg.Client): Promise<{ lsn: string; labelFile: string }> {
  const { rows } = await client.query<{ lsn: string; label_file: string }>(
    'select lsn::text as lsn, labelfile as label_file from pg_backup_stop(wait_for_archive => false)',
  );
  return { lsn: rows[0]?.lsn ?? '', labelFile: rows[0]?.label_file ?? '' };
}

/** It is bounded by `max_slot_wal_keep_size`, and past that the log that the copy needs may be gone. */
async function refuseLostSlot(client: pg.Client, slot: string): Promise<void> {
  const { rows } = await client.query<{ wal_status: string }>(
    'select wal_status from pg_replication_slots where slot_name = $1',
    [slot],
  );
  if (rows[0] && rows[0].wal_status !== 'lost') return;
  throw embeddedErrors.backup_refused({
    detail: 'so much was written during the backup that Postgres has dropped log that the copy needs',
  });
}

interface Copy {
  signal: AbortSignal;
  owner: { uid: number; gid: number } | undefined;
}

/** Makes the directories below `path`. @returns the files to copy, as paths below `source` */
async function copyTree(source: string, target: string, path: string, copy: Copy): Promise<string[]> {
  copy.signal.throwIfAborted();
  const files: string[] = [];
  for (const entry of await entriesOf(join(source, path))) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    const leftOut = leftOutOf(below);
    if (leftOut === 'whole') continue;
    if (entry.isFile() && below !== CONTROL_FILE) files.push(below);
    if (below === 'pg_wal' || entry.isDirectory()) await makeDirectory(join(target, below), copy.owner);
    if (!entry.isDirectory()) continue;
    if (leftOut === 'contents') {
      if (below === 'pg_wal') await makeDirectory(join(target, 'pg_wal/archive_status'), copy.owner);
    } else files.push(...(await copyTree(source, target, below, copy)));
  }
  return files;
}

/** Of a directory that may be dropped while it is read (a database). */
async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function copyAll(source: string, target: string, files: string[], copy: Copy): Promise<number> {
  let bytes = 0;
  const rest = [...files];
  async function copyNext(): Promise<void> {
    for (let file = rest.pop(); file !== undefined; file = rest.pop()) {
      bytes += (await copyFile(join(source, file), join(target, file), copy)) ?? 0;
    }
  }
  const copies = Array.from({ length: COPIES_AT_ONCE }, () =>
    copyNext().catch((error: unknown) => {
      rest.length = 0;
      throw error;
    }),
  );
  // All of them, so that nothing writes into the target any more when this has failed.
  const failed = (await Promise.allSettled(copies)).find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  return bytes;
}

/** The segments from one position to another, and how the timelines came about. */
async function copyLog(
  client: pg.Client,
  dataDirectory: string,
  target: string,
  { from, to, ...copy }: Copy & { from: string; to: string },
): Promise<string[]> {
  const { rows } = await client.query<{ first: string; last: string }>(
    'select pg_walfile_name($1::pg_lsn) as first, pg_walfile_name($2::pg_lsn) as last',
    [from, to],
  );
  const { first = '', last = '' } = rows[0] ?? {};
  const names = (await readdir(join(dataDirectory, 'pg_wal'))).toSorted();
  const segments = names.filter((name) => name >= first && name <= last && /^[0-9A-F]{24}$/.test(name));
  if (segments[0] !== first || segments.at(-1) !== last) {
    throw embeddedErrors.backup_refused({ detail: `the log from ${first} to ${last} is not all there` });
  }
  const histories = names.filter((name) => name.endsWith('.history'));
  const files = [...segments, ...histories].map((name) => `pg_wal/${name}`);
  await copyAll(dataDirectory, target, files, copy);
  return segments;
}

/** Postgres rewrites it in place, and a read may meet a write: two equal reads in a row are one state. */
async function readSettled(file: string): Promise<Buffer> {
  let before = await readFile(file);
  for (;;) {
    const now = await readFile(file);
    if (now.equals(before)) return now;
    before = now;
  }
}

async function makeDirectory(directory: string, owner: Copy['owner']): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  if (owner) await chown(directory, owner.uid, owner.gid);
}

async function writeOwned(file: string, content: Buffer | string, owner: Copy['owner']): Promise<void> {
  await writeFile(file, content, { mode: 0o600, flag: 'wx' });
  if (owner) await chown(file, owner.uid, owner.gid);
}

/** Puts everything below a directory on disk, so that a power cut leaves it whole. Postgres does so itself when it starts. */
export async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncPath(path);
  }
  await syncPath(directory);
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
