/**
 * The schedules as they stand in the database.
 */
import { type Queryable, sql } from '#blocks/database';

export type What = 'base' | 'wal';

export interface BackupSchedule {
  what: What;
  pattern: string;
  directory: string;
  keyFile: string | undefined;
  keep: number | undefined;
}

/** With what became of its runs. */
export interface ScheduleState extends BackupSchedule {
  nextRunMs: number;
  lastEndedMs: number | undefined;
  /** Whatever was acknowledged before this time is in a good backup. */
  lastGoodMs: number | undefined;
  lastTookMs: number | undefined;
  lastBytes: number | undefined;
  lastError: string | undefined;
  runs: number;
  failures: number;
}

interface Row {
  what: What;
  pattern: string;
  directory: string;
  key_file: string | null;
  keep: number | null;
  next_run_ms: string;
  last_ended_ms: string | null;
  last_good_ms: string | null;
  last_took_ms: string | null;
  last_bytes: string | null;
  last_error: string | null;
  runs: string;
  failures: string;
}

const numberOf = (text: string | null): number | undefined => (text === null ? undefined : Number(text));

/** All there are: at most one of base backups, and one of the log. */
export async function readSchedules(core: Queryable): Promise<ScheduleState[]> {
  const rows = await core.rows<Row>(sql`
    select what, pattern, directory, key_file, keep, next_run_ms, last_ended_ms, last_good_ms, last_took_ms,
      last_bytes, last_error, runs, failures
    from core.backup_schedules order by what`);
  return rows.map((row) => ({
    what: row.what,
    pattern: row.pattern,
    directory: row.directory,
    keyFile: row.key_file ?? undefined,
    keep: row.keep ?? undefined,
    nextRunMs: Number(row.next_run_ms),
    lastEndedMs: numberOf(row.last_ended_ms),
    lastGoodMs: numberOf(row.last_good_ms),
    lastTookMs: numberOf(row.last_took_ms),
    lastBytes: numberOf(row.last_bytes),
    lastError: row.last_error ?? undefined,
    runs: Number(row.runs),
    failures: Number(row.failures),
  }));
}

/** Takes the place of an earlier one; what became of its runs is still told. */
export async function writeSchedule(
  core: Queryable,
  { what, pattern, directory, keyFile, keep }: BackupSchedule,
  nextRunMs: number,
): Promise<void> {
  await core.run(sql`
    insert into core.backup_schedules (what, pattern, directory, key_file, keep, next_run_ms)
    values (${what}, ${pattern}, ${directory}, ${keyFile ?? null}, ${keep ?? null}, ${nextRunMs})
    on conflict (what) do update set pattern = excluded.pattern, directory = excluded.directory,
      key_file = excluded.key_file, keep = excluded.keep, next_run_ms = excluded.next_run_ms`);
}

/** @returns the directory of the one that was there */
export async function removeSchedule(core: Queryable, what: What): Promise<string | undefined> {
  const removed = await core.first<{ directory: string }>(sql`
    delete from core.backup_schedules where what = ${what} returning directory`);
  return removed?.directory;
}

/** @returns false when somebody else has moved it on */
export async function moveOn(
  tx: Queryable,
  { what, nextRunMs }: ScheduleState,
  toMs: number,
): Promise<boolean> {
  const moved = await tx.run(sql`
    update core.backup_schedules set next_run_ms = ${toMs} where what = ${what} and next_run_ms = ${nextRunMs}`);
  return moved === 1;
}

export async function recordGood(
  core: Queryable,
  what: What,
  { endedMs, statedMs, tookMs, bytes }: { endedMs: number; statedMs: number; tookMs: number; bytes: number },
): Promise<void> {
  await core.run(sql`
    update core.backup_schedules set runs = runs + 1, last_error = null, last_ended_ms = ${endedMs},
      last_good_ms = ${statedMs}, last_took_ms = ${Math.round(tookMs)}, last_bytes = ${bytes}
    where what = ${what}`);
}

export async function recordFailure(
  core: Queryable,
  what: What,
  { endedMs, error }: { endedMs: number; error: string },
): Promise<void> {
  await core.run(sql`
    update core.backup_schedules set runs = runs + 1, failures = failures + 1, last_ended_ms = ${endedMs},
      last_error = ${error}
    where what = ${what}`);
}
