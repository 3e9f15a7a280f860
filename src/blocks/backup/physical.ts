/**
 * A copy of the embedded Postgres's directory while it serves (PostgreSQL manual, "Making a Base Backup Using the Low Level
 * API"), and of the write-ahead log (the same, "Continuous Archiving and Point-in-Time Recovery").
 *
 * Not made by the database block's `takeBaseBackup`, which writes a directory: here the files go through compression and
 * encryption as they are read, so that the target needs no room for a second copy and never sees them plain.
 */
import { join } from 'node:path';
import { isLoadstoneError } from '#base/errors';
import type { Random } from '#base/random';
import { type LoginConnection, sql } from '#blocks/database';
import { leftOutOf } from '#blocks/postgres';
import { backupErrors } from './errors.ts';
import {
  advanceSlot,
  askTime,
  type Cluster,
  dropSlot,
  findSlot,
  makeSlot,
  markLog,
  switchSegment,
} from './postgres-connection.ts';
import { lsnToBytes, readSegment, segmentBefore, segmentName, segmentOf } from './repository/log-segment.ts';
import type { Base, HeldLog } from './repository/manifest.ts';
import type { StoredFile } from './repository/stored-file.ts';
import type { TarEntry } from './repository/tar.ts';
import { type Choice, readSettled, walkTree } from './repository/tree.ts';

/** Where the files of one backup go. */
export interface Sink {
  /** Stores a file, and adds it to the manifest. */
  store(name: string, source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<StoredFile>;
  storeTree(name: string, entries: AsyncIterable<TarEntry>): Promise<StoredFile>;
}

export interface PhysicalDeps {
  connection: LoginConnection;
  cluster: Cluster;
  sink: Sink;
  random: Random;
  signal: AbortSignal;
  /** Copies what else belongs to the installation; what was acknowledged before it begins is in the copy. */
  copyJournals: () => Promise<void>;
}

export interface Held {
  log: HeldLog;
  stopLsn: string;
  statedAt: string;
}

const BASE = 'base.tar';
const LABEL = 'backup_label';
/** The log is copied by itself; how the timelines came about goes with the base. */
const OF_THE_LOG = /^pg_wal\/(?!.*\.history$)/;
/** Copied last, so that it is not older than any file it speaks of. */
const CONTROL_FILE = 'global/pg_control';

function choose(path: string, isDirectory: boolean): Choice {
  const leftOut = leftOutOf(path);
  if (leftOut === 'whole' || path === CONTROL_FILE) return 'skip';
  // It may lie on a disk of its own.
  if (path === 'pg_wal') return 'follow';
  if (OF_THE_LOG.test(path)) return isDirectory ? 'contents' : 'skip';
  return leftOut ?? 'take';
}

async function* filesOf(dataDirectory: string, signal: AbortSignal): AsyncGenerator<TarEntry> {
  yield* walkTree(dataDirectory, choose, signal);
  const control = await readSettled(join(dataDirectory, CONTROL_FILE));
  yield { kind: 'file', path: CONTROL_FILE, bytes: control.length, read: () => [control] };
}

/** Copies segments from the first to the last, both included. @throws backup_base_needed */
async function copySegments(
  { cluster, sink, signal }: PhysicalDeps,
  { first, last }: { first: number; last: number },
): Promise<void> {
  const { dataDirectory, timeline, segmentBytes } = cluster;
  for (let segment = first; segment <= last; segment++) {
    signal.throwIfAborted();
    const source = readSegment({ dataDirectory, timeline, segment, segmentBytes });
    await sink.store(`wal/${segmentName(timeline, segment, segmentBytes)}`, source);
  }
}

function heldLog(cluster: Cluster, range: { first: number; last: number }, markedLsn: string): HeldLog {
  const { systemIdentifier, incarnation, timeline, segmentBytes } = cluster;
  const { first: firstSegment, last: lastSegment } = range;
  return { systemIdentifier, incarnation, timeline, segmentBytes, firstSegment, lastSegment, markedLsn };
}

/** Up to the whole millisecond before: a time that is told has to be kept. */
const stated = (time: Date) => new Date(Math.floor(time.getTime())).toISOString();
/** Postgres has microseconds, which the driver cuts off. */
const justAfter = (time: Date) => new Date(Math.floor(time.getTime()) + 1).toISOString();

async function stopBackup(connection: LoginConnection): Promise<{ lsn: string; label: string }> {
  const row = await connection.first<{ lsn: string; label: string }>(sql`
    select lsn::text as lsn, labelfile as label from pg_backup_stop(wait_for_archive => false)`);
  return { lsn: row?.lsn ?? '', label: row?.label ?? '' };
}

/**
 * Takes a base backup: the directory, and the log that makes it consistent.
 * @param joinFrom the segment after the last one that the backup directory has, if that is still kept: the log from there
 * on comes along, so that what the directory can be restored to has no hole
 */
export async function takeBase(
  deps: PhysicalDeps,
  joinFrom: number | undefined,
): Promise<Held & { base: Base }> {
  const { connection, cluster, sink, signal } = deps;
  const { segmentBytes, dataDirectory } = cluster;
  const temporary = `loadstone_base_${deps.random.bytes(6).toString('hex')}`;
  await makeSlot(connection, temporary, true);
  const begun = await connection.first<{ lsn: string }>(sql`
    select pg_backup_start('loadstone', true)::text as lsn`);
  const startLsn = begun?.lsn ?? '';
  await sink.storeTree(BASE, filesOf(dataDirectory, signal));
  const statedAt = stated(await askTime(connection));
  await deps.copyJournals();
  const markedLsn = await markLog(connection);
  const { lsn: stopLsn, label } = await stopBackup(connection);
  const consistentAt = justAfter(await askTime(connection));
  await sink.store(LABEL, [Buffer.from(label)]);
  const startSegment = segmentOf(startLsn, segmentBytes);
  const range = {
    first: Math.min(joinFrom ?? startSegment, startSegment),
    last: segmentBefore(stopLsn, segmentBytes),
  };
  await copySegments(deps, range);
  await refuseLost(connection, temporary);
  const base = { startLsn, stopLsn, consistentAt };
  return { base, log: heldLog(cluster, range, markedLsn), stopLsn, statedAt };
}

async function refuseLost(connection: LoginConnection, slot: string): Promise<void> {
  const found = await findSlot(connection, slot);
  if (found && found.status !== 'lost') return;
  throw backupErrors.backup_base_needed({
    detail: 'so much was written during the backup that Postgres has removed log that it needs; repeat it',
  });
}

/**
 * Takes the log from segment `first` to now, and has Postgres keep what comes after for the next time.
 * @throws backup_base_needed when the log cannot be joined; then it is not kept any longer either
 */
export async function takeLog(deps: PhysicalDeps, slot: string, first: number): Promise<Held> {
  const { connection, cluster } = deps;
  try {
    await keepLog(connection, slot);
    const statedAt = stated(await askTime(connection));
    await deps.copyJournals();
    const markedLsn = await markLog(connection);
    const stopLsn = await switchSegment(connection);
    const range = { first, last: segmentBefore(stopLsn, cluster.segmentBytes) };
    await copySegments(deps, range);
    return { log: heldLog(cluster, range, markedLsn), stopLsn, statedAt };
  } catch (error) {
    if (isLoadstoneError(error) && error.code === 'backup_base_needed') await dropSlot(connection, slot);
    throw error;
  }
}

/** @throws backup_base_needed when Postgres has given up keeping it */
async function keepLog(connection: LoginConnection, slot: string): Promise<void> {
  const found = await findSlot(connection, slot);
  if (!found) return makeSlot(connection, slot, false);
  if (found.status !== 'lost') return;
  throw backupErrors.backup_base_needed({
    detail:
      'more was written since the last copy than Postgres keeps (max_slot_wal_keep_size): take a new base backup',
  });
}

/** The same, where what was to be kept may be lost: from now on it is kept again. */
export async function keepLogAnew(connection: LoginConnection, slot: string): Promise<void> {
  const found = await findSlot(connection, slot);
  if (found?.status === 'lost') await dropSlot(connection, slot);
  if (!found || found.status === 'lost') await makeSlot(connection, slot, false);
}

/** Whether all log from this segment on is being kept. */
export async function isLogKept(
  connection: LoginConnection,
  slot: string,
  { segment, segmentBytes }: { segment: number; segmentBytes: number },
): Promise<boolean> {
  const found = await findSlot(connection, slot);
  if (!found || found.status === 'lost') return false;
  return lsnToBytes(found.restartLsn) <= BigInt(segment) * BigInt(segmentBytes);
}

/** What lies before has been copied, durably. */
export const letGo = advanceSlot;
