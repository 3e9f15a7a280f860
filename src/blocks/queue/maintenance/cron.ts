/**
 * Jobs by the clock. A schedule's last run is kept in the database, and moving it on is part of the transaction that
 * enqueues: whoever finds it moved on does nothing, so no run is enqueued twice or lost, whichever process leads.
 */
import assert from 'node:assert/strict';
import { createDeadline } from '#base/deadline';
import { createLoop, type Loop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import type { JsonValue } from '#base/values/json';
import type { Database } from '#blocks/database';
import type { JobPlacement, PreparedJob, UncheckedJob } from '../job.ts';
import type { JobStore, ScheduleStore } from '../store.ts';
import { type CronPattern, parseCronPattern } from './cron-pattern.ts';
import type { LeaderLease } from './maintenance.ts';

/**
 * What becomes of runs whose time came while no process led: none of them are run; the last one of them; or all, at most
 * the last hundred.
 */
export type CatchUp = 'none' | 'last' | 'all';

export interface Schedule extends JobPlacement {
  /** Unique; lower-case letters, digits and `_`. */
  name: string;
  /** Such as `0 3 * * *`. A schedule whose pattern has been changed begins anew. */
  pattern: string;
  /** An IANA name; default UTC. */
  timezone?: string;
  queue: string;
  /** @param runAtMs the time that the pattern names */
  payload: (runAtMs: number) => JsonValue;
  /** Default: last. */
  catchUp?: CatchUp;
}

/** A run later than this has been missed. */
export const MISSED_MS = 30_000;
export const CATCH_UP_MAX = 100;

/** Whatever is due: whether this process leads, and whether the clock was set, shows in between. */
const LOOK_MS = 5000;
const FOLLOWING_LOOK_MS = 1000;
const RETRY_MS = 5000;
const TRANSACT_MS_MAX = 10_000;

/** All of them, or the last hundred: found from the end, because a year of seconds would be 30 million. */
function runsBetween({ next, last }: CronPattern, lastMs: number, nowMs: number): number[] {
  const runs: number[] = [];
  for (let at = next(lastMs); at !== undefined && at <= nowMs; at = next(at)) {
    if (runs.length === CATCH_UP_MAX) return last(CATCH_UP_MAX, nowMs);
    runs.push(at);
  }
  return runs;
}

/**
 * The runs to enqueue of those between the last one and now, and up to when that settles the schedule.
 * @returns undefined when none is due
 */
export function dueRuns(
  pattern: CronPattern,
  { lastMs, nowMs, catchUp }: { lastMs: number; nowMs: number; catchUp: CatchUp },
): { runs: number[]; toMs: number } | undefined {
  const runs = runsBetween(pattern, lastMs, nowMs);
  const toMs = runs.at(-1);
  if (toMs === undefined) return undefined;
  const missed = runs.filter((at) => at < nowMs - MISSED_MS);
  const onTime = runs.slice(missed.length);
  const caughtUp = { none: [], last: onTime.length > 0 ? [] : missed.slice(-1), all: missed }[catchUp];
  return { runs: [...caughtUp, ...onTime], toMs };
}

export interface CronDeps extends Runtime {
  leader: LeaderLease;
  database: Pick<Database, 'transact'>;
  store: ScheduleStore;
  jobs: Pick<JobStore, 'insert'>;
  prepare: (job: UncheckedJob, place: JobPlacement) => PreparedJob;
  wake: (jobs: readonly PreparedJob[]) => void;
}

export function createCron(schedules: readonly Schedule[], deps: CronDeps): Loop {
  const { clock, random, log, leader, database, store, jobs, prepare, wake } = deps;
  const names = new Set(schedules.map(({ name }) => name));
  assert.equal(names.size, schedules.length, 'schedules have different names');
  const parsed = schedules.map((schedule) => {
    assert.match(schedule.name, /^[a-z][a-z0-9_]{0,62}$/, `not the name of a schedule: ${schedule.name}`);
    const { pattern: text, timezone = 'UTC' } = schedule;
    return { schedule, pattern: parseCronPattern(text, timezone), text: `${text} ${timezone}` };
  });

  const retryMs = () => RETRY_MS * (0.75 + 0.5 * random.fraction());

  /** Moves the schedule on and enqueues its runs; nothing happens if another process has. */
  async function carryOut(
    schedule: Schedule,
    lastMs: number,
    due: { runs: number[]; toMs: number },
  ): Promise<void> {
    const { name, queue, payload, workspaceId, bucket } = schedule;
    const prepared = due.runs.map((runAtMs) =>
      prepare({ queue, payload: payload(runAtMs) }, { workspaceId, bucket }),
    );
    const deadline = createDeadline(clock, TRANSACT_MS_MAX);
    try {
      const isOurs = await database.transact(
        { system: 'queue', workspaceId, bucket },
        { signal: deadline.signal, role: 'system' },
        async (tx) => {
          const moved = await store.advance(tx, name, lastMs, due.toMs);
          if (moved) await jobs.insert(tx, prepared);
          return moved;
        },
      );
      if (isOurs) wake(prepared);
    } finally {
      deadline.done();
    }
  }

  /** A schedule that fails (its queue is full, its payload throws) does not keep the others from theirs. */
  async function isCarriedOut(...args: Parameters<typeof carryOut>): Promise<boolean> {
    try {
      await carryOut(...args);
      return true;
    } catch (error) {
      const [{ name, queue }] = args;
      log.warn({ schedule: name, queue, err: error }, 'a schedule could not be carried out; trying again');
      return false;
    }
  }

  async function look(): Promise<number> {
    if (!leader.held()) return FOLLOWING_LOOK_MS;
    const nowMs = Math.floor(clock.nowMs());
    const given = parsed.map(({ schedule, text }) => ({ name: schedule.name, pattern: text }));
    const lastRuns = await store.lastRuns(given, nowMs);
    let soonestMs = nowMs + LOOK_MS;
    let hasFailed = false;
    for (const { schedule, pattern } of parsed) {
      const lastMs = lastRuns.get(schedule.name) ?? nowMs;
      const due = dueRuns(pattern, { lastMs, nowMs, catchUp: schedule.catchUp ?? 'last' });
      if (due && !(await isCarriedOut(schedule, lastMs, due))) hasFailed = true;
      soonestMs = Math.min(soonestMs, pattern.next(nowMs) ?? soonestMs);
    }
    return hasFailed ? retryMs() : Math.max(1, soonestMs - nowMs);
  }

  const loop = createLoop(clock, {
    work: look,
    failed(error) {
      log.warn({ err: error }, 'the schedules could not be read; trying again');
      return retryMs();
    },
  });
  return parsed.length > 0 ? loop : { ...loop, begin: async () => {} };
}
