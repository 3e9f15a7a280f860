/**
 * Backups by the clock. A schedule is a row; whichever process finds a run due moves the row on and enqueues a job in one
 * transaction, so a run is taken once for the whole installation, by whichever worker has the job.
 */
import { existsSync, realpathSync } from 'node:fs';
import Type from 'typebox';
import { createDeadline } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import { type Database, withLoginConnection } from '#blocks/database';
import {
  type DefinedQueue,
  defineQueue,
  type Handler,
  handlerOf,
  type Job,
  parseCronPattern,
  type Queue,
} from '#blocks/queue';
import { type TakenBackup, takeBackup } from './backup.ts';
import { backupErrors } from './errors.ts';
import { emitBackupMetrics } from './metrics.ts';
import type { BackupOptions } from './options.ts';
import { dropSlot, slotNameFor } from './postgres-connection.ts';
import { readBackupSecret } from './repository/key.ts';
import {
  type BackupSchedule,
  moveOn,
  readSchedules,
  recordFailure,
  recordGood,
  removeSchedule,
  type ScheduleState,
  type What,
  writeSchedule,
} from './schedule-rows.ts';
import type { BackupSource } from './source.ts';

const BackupPayload = Type.Object({ what: Type.Union([Type.Literal('base'), Type.Literal('wal')]) });
const backupQueue = defineQueue('backups', BackupPayload, {
  attemptsMax: 3,
  backoffBaseMs: 60_000,
  perKey: { concurrency: 1 },
  whenDrained: 'This backup is not taken; the schedule goes on with its next run.',
});

/** Declared statically, because the queue is made before what needs it. @param options `backup` of the configuration */
export function backupQueues({ timeoutMs }: BackupOptions): readonly DefinedQueue[] {
  return [{ ...backupQueue, timeoutMs }];
}

/** Of the server itself, so of no workspace. */
const PLACEMENT = { workspaceId: '0', bucket: 0 };
const TRANSACT_MS_MAX = 10_000;

export interface BackupsDeps extends Runtime {
  metrics: Metrics;
  database: Pick<Database, 'transact' | 'core'>;
  queue: Pick<Queue, 'prepareJob' | 'insertJobs' | 'wakeFor'>;
  /** The installation, as a backup sees it at the moment. */
  source: () => BackupSource;
  version: string;
}

/** Its lifecycle is that of looking whether a run is due. */
export interface Backups extends Lifecycle {
  /** Who carries out the jobs of `backupQueues`: to be given to a worker. */
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** @throws backup_schedule_invalid */
export function nextRun(pattern: string, afterMs: number): number {
  try {
    const next = parseCronPattern(pattern, 'UTC').next(afterMs);
    if (next !== undefined) return next;
  } catch (cause) {
    throw backupErrors.backup_schedule_invalid({
      detail: `${JSON.stringify(pattern)} is not a cron pattern such as "0 3 * * *"`,
      cause,
    });
  }
  throw backupErrors.backup_schedule_invalid({ detail: `${JSON.stringify(pattern)} names no time to come` });
}

/**
 * Has backups taken by the clock, in place of what was scheduled of that kind before.
 * @throws backup_schedule_invalid, backup_key_invalid
 */
export async function scheduleBackup(
  { core }: Pick<Database, 'core'>,
  schedule: BackupSchedule,
  nowMs: number,
): Promise<{ nextRunMs: number }> {
  const nextRunMs = nextRun(schedule.pattern, nowMs);
  readBackupSecret(schedule.keyFile, undefined);
  await writeSchedule(core, schedule, nextRunMs);
  return { nextRunMs };
}

/**
 * Ends a schedule; with that of the log Postgres need not keep it for us any longer.
 * @throws backup_schedule_invalid when there is none
 */
export async function unscheduleBackup(
  { core }: Pick<Database, 'core'>,
  what: What,
  { url, engine }: BackupSource,
  signal: AbortSignal,
): Promise<void> {
  const directory = await removeSchedule(core, what);
  if (directory === undefined)
    throw backupErrors.backup_schedule_invalid({ detail: `no ${what} backup is scheduled` });
  if (what === 'base' || engine === 'external') return;
  const real = existsSync(directory) ? realpathSync(directory) : directory;
  await withLoginConnection(url, signal, (connection) => dropSlot(connection, slotNameFor(real)));
}

function isBaseNeeded(error: unknown): boolean {
  return isLoadstoneError(error) && error.code === 'backup_base_needed';
}

function createRun({ clock, random, log, database, source, version }: BackupsDeps): Handler {
  async function take(
    schedule: ScheduleState,
    what: What,
    { signal }: Pick<Job, 'signal'>,
  ): Promise<TakenBackup> {
    const { directory, keep } = schedule;
    const secret = readBackupSecret(schedule.keyFile, undefined);
    const report = (line: string) => log.debug({ directory, what }, line);
    return takeBackup(
      source(),
      { directory, what, secret, keep, keepsLog: schedule.what === 'wal' },
      { clock, random, signal, version, report },
    );
  }

  /** Where the log cannot be joined, only a base goes on: the schedule takes one, and says so. */
  async function takeOrBegin(schedule: ScheduleState, job: Pick<Job, 'signal'>): Promise<TakenBackup> {
    try {
      return await take(schedule, schedule.what, job);
    } catch (error) {
      if (schedule.what !== 'wal' || !isBaseNeeded(error)) throw error;
      log.warn({ err: error, directory: schedule.directory }, 'a base backup is taken instead of the log');
      return take(schedule, 'base', job);
    }
  }

  return handlerOf(backupQueue, async (job) => {
    const { what } = job.payload;
    const schedule = (await readSchedules(database.core)).find((each) => each.what === what);
    if (!schedule) return { isUnscheduled: true };
    try {
      const { manifest, storedBytes, tookMs } = await takeOrBegin(schedule, job);
      const statedMs = Date.parse(manifest.statedAt);
      await recordGood(database.core, what, { endedMs: clock.nowMs(), statedMs, tookMs, bytes: storedBytes });
      return { name: manifest.name, statedAt: manifest.statedAt, bytes: storedBytes };
    } catch (error) {
      await recordFailure(database.core, what, { endedMs: clock.nowMs(), error: describeError(error) });
      throw error;
    }
  });
}

/** Scheduled backups of one process: it looks for due runs, and measures how they went. */
export function createBackups(options: BackupOptions, deps: BackupsDeps): Backups {
  const { clock, log, database, queue } = deps;
  let seen: readonly ScheduleState[] = [];
  emitBackupMetrics(deps.metrics, clock.nowMs, (what) => seen.find((each) => each.what === what));

  async function enqueue(schedule: ScheduleState, nowMs: number): Promise<void> {
    const { what } = schedule;
    const nextMs = nextRun(schedule.pattern, nowMs);
    const keys = { concurrencyKey: 'backup', uniqueKey: what, onDuplicate: 'ignore' } as const;
    const prepared = [queue.prepareJob(backupQueue.job({ what }, keys), PLACEMENT, undefined)];
    const deadline = createDeadline(clock, TRANSACT_MS_MAX);
    try {
      const isOurs = await database.transact(
        { system: 'backup', ...PLACEMENT },
        { signal: deadline.signal, role: 'system' },
        async (tx) => {
          const moved = await moveOn(tx, schedule, nextMs);
          if (moved) await queue.insertJobs(tx, prepared);
          return moved;
        },
      );
      if (isOurs) queue.wakeFor(prepared);
    } finally {
      deadline.done();
    }
  }

  async function look(): Promise<number> {
    seen = await readSchedules(database.core);
    const nowMs = clock.nowMs();
    for (const schedule of seen) if (schedule.nextRunMs <= nowMs) await enqueue(schedule, nowMs);
    return nextMs();
  }

  function nextMs(): number {
    const untilDueMs = seen.map(({ nextRunMs }) => nextRunMs - clock.nowMs()).filter((ms) => ms > 0);
    return Math.min(options.lookMs, ...untilDueMs);
  }

  const loop = createLoop(clock, {
    work: look,
    failed(error) {
      log.warn({ err: error }, 'the schedules of backups could not be looked at; trying again');
      return nextMs();
    },
  });
  const lifecycle = createLifecycle('scheduled backups', {
    async start() {
      loop.begin();
    },
    stop: () => loop.stop(),
  });
  return { ...lifecycle, handlers: { [backupQueue.name]: createRun(deps) } };
}
