/**
 * What a backup asks of the embedded Postgres, over one connection as its superuser.
 */
import { createHash } from 'node:crypto';
import { type LoginConnection, sql } from '#blocks/database';
import { backupErrors } from './errors.ts';
import type { MigrationState } from './repository/manifest.ts';

export interface Cluster {
  dataDirectory: string;
  version: string;
  systemIdentifier: string;
  incarnation: string;
  timeline: number;
  segmentBytes: number;
}

/** @throws backup_unsupported */
export async function lookAtCluster(connection: LoginConnection): Promise<Cluster> {
  const row = await connection.first<Cluster & { spaces: string[] }>(sql`
    select current_setting('data_directory') as "dataDirectory", current_setting('server_version') as version,
      (select system_identifier::text from pg_control_system()) as "systemIdentifier",
      (select id::text from core.backup_incarnation) as incarnation,
      ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer as timeline,
      (select bytes_per_wal_segment from pg_control_init()) as "segmentBytes",
      array(select spcname::text from pg_tablespace where spcname not in ('pg_default', 'pg_global')) as spaces`);
  if (!row) throw backupErrors.backup_unsupported({ detail: 'Postgres does not say what it is' });
  const { spaces, ...cluster } = row;
  if (spaces.length === 0) return cluster;
  throw backupErrors.backup_unsupported({
    detail: `the database has tablespaces of its own (${spaces.join(', ')}), whose files lie elsewhere`,
  });
}

/** The rooms and how far each has been migrated. */
export async function readMigrationState(connection: LoginConnection): Promise<MigrationState[]> {
  return connection.rows<MigrationState>(sql`
    select room, max(number)::integer as number from core.migrations group by room order by room`);
}

/**
 * Of a restored copy: from here on it is an installation of its own, beside the one that it was made from. It does not write
 * into that one's backups by itself, nor can its log be joined to theirs.
 * @returns how many schedules of backups it has given up
 */
export async function setApart(connection: LoginConnection): Promise<number> {
  const known = await connection.first<{ isThere: boolean }>(sql`
    select to_regclass('core.backup_incarnation') is not null as "isThere"`);
  if (!known?.isThere) return 0;
  await connection.run(sql`update core.backup_incarnation set id = gen_random_uuid()`);
  return connection.run(sql`delete from core.backup_schedules`);
}

/** By Postgres's own clock, which is the one that commits are stamped with. */
export async function askTime(connection: LoginConnection): Promise<Date> {
  const row = await connection.first<{ now: Date }>(sql`select clock_timestamp() as now`);
  return row?.now ?? new Date(Number.NaN);
}

/**
 * Writes a commit that changes nothing. With it in the log, recovery can be told to stop at any earlier time or LSN;
 * told to stop at one that nothing comes after, Postgres gives up.
 * @returns where the log stood before
 */
export async function markLog(connection: LoginConnection): Promise<string> {
  const row = await connection.first<{ lsn: string }>(sql`select pg_current_wal_insert_lsn()::text as lsn`);
  await connection.run(sql`select pg_current_xact_id()`);
  return row?.lsn ?? '';
}

/** Closes the current segment, whole and on disk. @returns the end of what is in it */
export async function switchSegment(connection: LoginConnection): Promise<string> {
  return (await connection.first<{ lsn: string }>(sql`select pg_switch_wal()::text as lsn`))?.lsn ?? '';
}

// Replication slots: they keep Postgres from removing log that has not been copied yet.

/** Of one backup directory. Two directories that get the log each have their own. */
export function slotNameFor(directory: string): string {
  return `loadstone_backup_${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`;
}

export interface Slot {
  /** `lost`: more was written than `max_slot_wal_keep_size` allows it to keep. */
  status: string;
  /** From where on the log is kept. */
  restartLsn: string;
}

export async function findSlot(connection: LoginConnection, name: string): Promise<Slot | undefined> {
  return connection.first<Slot>(sql`
    select wal_status as status, restart_lsn::text as "restartLsn" from pg_replication_slots where slot_name = ${name}`);
}

/** A temporary one ends with the connection. */
export async function makeSlot(
  connection: LoginConnection,
  name: string,
  isTemporary: boolean,
): Promise<void> {
  await connection.run(sql`select pg_create_physical_replication_slot(${name}, true, ${isTemporary})`);
}

export async function dropSlot(connection: LoginConnection, name: string): Promise<void> {
  await connection.run(sql`
    select pg_drop_replication_slot(slot_name) from pg_replication_slots
    where slot_name = ${name} and not active`);
}

/** From here on the slot keeps the log. */
export async function advanceSlot(connection: LoginConnection, name: string, lsn: string): Promise<void> {
  await connection.run(sql`
    select pg_replication_slot_advance(slot_name, least(${lsn}::pg_lsn, pg_current_wal_lsn()))
    from pg_replication_slots where slot_name = ${name} and restart_lsn < ${lsn}::pg_lsn`);
}
