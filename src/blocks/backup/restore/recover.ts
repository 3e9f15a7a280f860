/**
 * Has Postgres bring a restored directory to a point: it starts on the copy, reads the log that is handed to it, stops
 * reading there, and begins a timeline of its own (PostgreSQL manual, "Recovering Using a Continuous Archive Backup").
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDeadline } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { sql, withLoginConnection } from '#blocks/database';
import { createEmbeddedPostgres, SUPERUSER_NAME } from '#blocks/postgres';
import { backupErrors } from '../errors.ts';
import { setApart } from '../postgres-connection.ts';
import type { Target } from '../repository/chain.ts';

export interface RecoveryDeps extends Runtime {
  signal: AbortSignal;
}

/** How far a recovery has come. */
export interface ReachedPoint {
  lsn: string;
  /** When the last transaction was committed that is in it; undefined when there was none in the log. */
  lastCommitAt: Date | undefined;
  timeline: number;
  /** Schedules of backups that it no longer has: it would go on with them beside the one that it is a copy of. */
  schedulesEnded: number;
}

/** Replaying may take long; it goes on for as long as Postgres lives. */
const RECOVERY_MS_MAX = 24 * 3_600_000;
const STOP_MS_MAX = 60_000;

/** For a shell, and not to be taken for one of Postgres's own `%` marks. */
const quotePath = (path: string) => `'${path.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`;

function settingsFor(target: Target, logDirectory: string): Record<string, string> {
  const common = {
    restore_command: `test -f ${quotePath(logDirectory)}/%f && cp ${quotePath(logDirectory)}/%f "%p"`,
    recovery_target_timeline: 'current',
    // What the copied server had been given; a hot standby may not have less, and this one serves nobody.
    hot_standby: 'off',
  };
  if (target.kind === 'latest') return common;
  const point =
    target.kind === 'time'
      ? { recovery_target_time: target.at.toISOString().replace('T', ' ').replace('Z', '+00') }
      : { recovery_target_lsn: target.lsn };
  return { ...common, ...point, recovery_target_action: 'promote' };
}

async function askPoint(url: string, signal: AbortSignal): Promise<ReachedPoint> {
  return withLoginConnection(url, signal, async (connection) => {
    const row = await connection.first<{ lsn: string; last: Date | null; timeline: number }>(sql`
      select coalesce(pg_last_wal_replay_lsn(), pg_current_wal_lsn())::text as lsn,
        pg_last_xact_replay_timestamp() as last,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer as timeline`);
    const schedulesEnded = await setApart(connection);
    const { lsn = '', last, timeline = 0 } = row ?? {};
    return { lsn, lastCommitAt: last ?? undefined, timeline, schedulesEnded };
  });
}

/**
 * @param directory of Postgres, unpacked
 * @param logDirectory holds the segments
 * @throws restore_failed with what Postgres said
 */
export async function recover(
  directory: string,
  { logDirectory, target }: { logDirectory: string; target: Target },
  { clock, random, log, signal }: RecoveryDeps,
): Promise<ReachedPoint> {
  writeFileSync(join(directory, 'recovery.signal'), '', { mode: 0o600 });
  const postgres = createEmbeddedPostgres(
    { directory, startTimeoutMs: RECOVERY_MS_MAX, settings: settingsFor(target, logDirectory) },
    { clock, random, log },
  );
  try {
    await postgres.start(signal);
    const { host, database } = postgres.address;
    return await askPoint(
      `postgres://${SUPERUSER_NAME}@/${database}?host=${encodeURIComponent(host)}`,
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    const said = isLoadstoneError(error) ? error.message : describeError(error);
    throw backupErrors.restore_failed({ detail: said, cause: error });
  } finally {
    const deadline = createDeadline(clock, STOP_MS_MAX);
    await postgres.stop(deadline.signal).finally(deadline.done);
  }
}
