/**
 * Counting, clearing and cron, on Postgres.
 */
import { numbers, type Queryable, sql, texts } from '#blocks/database';
import type { MaintenanceStore, QueueCount, QueueMeasure, ScheduleStore } from '../store.ts';

/** Keys looked at in one pass. */
const ORPHANED_KEYS_MAX = 1000;
const FORGOTTEN_KEYS_MAX = 10_000;

interface CountRow {
  queue: string;
  ready: number;
  scheduled: number;
  held: number;
  running: number;
  dead: number;
  lowestPriority: number | null;
  oldestMs: string | null;
}

interface MeasureRow extends Omit<QueueMeasure, 'lowestPriority' | 'oldestMs' | 'measuredMs'> {
  lowestPriority: number | null;
  oldestMs: string | null;
  measuredMs: string;
}

const toNumber = (text: string | null) => (text === null ? undefined : Number(text));

async function countQueues(core: Queryable): Promise<QueueCount[]> {
  const [rows, leases] = await Promise.all([
    core.rows<CountRow>(sql`
      with living as (
        select queue, count(*) filter (where state = 'ready') as ready,
          count(*) filter (where state = 'scheduled') as scheduled, count(*) filter (where state = 'held') as held,
          min(priority) filter (where state = 'ready') as lowest_priority,
          min(run_at_ms) filter (where state = 'ready') as oldest_ms
        from core.jobs group by queue
      ), dead as (
        select queue, count(*) as dead from core.dead_jobs group by queue
      ), leased as (
        select queue, sum(cardinality(job_ids)) as running from core.job_leases group by queue
      )
      select queue, coalesce(ready, 0)::float8 as ready, coalesce(scheduled, 0)::float8 as scheduled,
        coalesce(held, 0)::float8 as held, coalesce(running, 0)::float8 as running, coalesce(dead, 0)::float8 as dead,
        lowest_priority as "lowestPriority", oldest_ms as "oldestMs"
      from living full join dead using (queue) full join leased using (queue)`),
    core.rows<{ queue: string; worker: string; ended: string }>(sql`
      select queue, worker, ended from core.job_leases`),
  ]);
  const byQueue = Map.groupBy(leases, ({ queue }) => queue);
  return rows.map(({ queue, ready, scheduled, held, running, dead, lowestPriority, oldestMs }) => ({
    queue,
    waiting: Math.max(0, ready - running) + scheduled + held,
    scheduled,
    held,
    running,
    dead,
    lowestPriority: lowestPriority ?? undefined,
    oldestMs: toNumber(oldestMs),
    ended: new Map((byQueue.get(queue) ?? []).map(({ worker, ended }) => [worker, Number(ended)])),
  }));
}

async function publish(core: Queryable, measures: readonly QueueMeasure[]): Promise<void> {
  const column = (of: (measure: QueueMeasure) => number | undefined) =>
    numbers(measures.map((measure) => of(measure) ?? 'NULL'));
  await core.run(sql`
    with gone as (
      delete from core.job_queues where queue <> all(${texts(measures.map(({ queue }) => queue))}::text[])
    )
    insert into core.job_queues (queue, waiting, scheduled, held, running, dead, lowest_priority, oldest_ms, workers,
      ended_per_s, measured_ms)
    select queue, waiting, scheduled, held, running, dead, lowest_priority, oldest_ms, workers, ended_per_s, measured_ms
    from unnest(${texts(measures.map(({ queue }) => queue))}::text[], ${column((one) => one.waiting)}::bigint[],
      ${column((one) => one.scheduled)}::bigint[], ${column((one) => one.held)}::bigint[],
      ${column((one) => one.running)}::bigint[], ${column((one) => one.dead)}::bigint[],
      ${column((one) => one.lowestPriority)}::smallint[], ${column((one) => one.oldestMs)}::bigint[],
      ${column((one) => one.workers)}::integer[], ${column((one) => one.endedPerS)}::float8[],
      ${column((one) => one.measuredMs)}::bigint[])
      as one (queue, waiting, scheduled, held, running, dead, lowest_priority, oldest_ms, workers, ended_per_s,
        measured_ms)
    on conflict (queue) do update set waiting = excluded.waiting, scheduled = excluded.scheduled, held = excluded.held,
      running = excluded.running, dead = excluded.dead, lowest_priority = excluded.lowest_priority,
      oldest_ms = excluded.oldest_ms, workers = excluded.workers, ended_per_s = excluded.ended_per_s,
      measured_ms = excluded.measured_ms`);
}

async function readMeasures(core: Queryable): Promise<QueueMeasure[]> {
  const rows = await core.rows<MeasureRow>(sql`
    select queue, waiting::float8, scheduled::float8, held::float8, running::float8, dead::float8,
      lowest_priority as "lowestPriority", oldest_ms as "oldestMs", workers, ended_per_s as "endedPerS",
      measured_ms as "measuredMs"
    from core.job_queues`);
  return rows.map(({ lowestPriority, oldestMs, measuredMs, ...row }) => ({
    ...row,
    lowestPriority: lowestPriority ?? undefined,
    oldestMs: toNumber(oldestMs),
    measuredMs: Number(measuredMs),
  }));
}

/** @param core the server's own tables (`database.core`) */
export function createPostgresMaintenance(core: Queryable): MaintenanceStore {
  return {
    count: () => countQueues(core),
    publish: (measures) => publish(core, measures),
    measures: () => readMeasures(core),
    async rotateHistory(nowMs, keepMs) {
      const row = await core.first<{ dropped: number }>(sql`
        select core.rotate_job_history(${nowMs}::bigint, ${keepMs}::bigint) as dropped`);
      return row?.dropped ?? 0;
    },
    forgetDead: (beforeMs, limit) =>
      core.run(sql`
        delete from core.dead_jobs where job_id = any(array(
          select job_id from core.dead_jobs where died_ms < ${beforeMs}::bigint order by died_ms limit ${limit}
        ))`),
    async releaseOrphans(nowMs) {
      await core.run(sql`
        delete from core.job_keys where (queue, workspace_id, key) in (
          select queue, workspace_id, key from core.job_keys
          where conforms_ms < ${nowMs}::bigint and release_ms is null limit ${FORGOTTEN_KEYS_MAX}
        )
        -- Looked at again once a turn that has just used the key has let go of the row.
        and conforms_ms < ${nowMs}::bigint and release_ms is null`);
      const row = await core.first<{ released: number }>(sql`
        select core.release_orphaned_jobs(${ORPHANED_KEYS_MAX}::integer) as released`);
      return row?.released ?? 0;
    },
  };
}

/** @param core the server's own tables (`database.core`) */
export function createPostgresSchedules(core: Queryable): ScheduleStore {
  return {
    async lastRuns(schedules, nowMs) {
      await core.run(sql`
        insert into core.job_schedules (name, pattern, last_ms)
        select name, pattern, ${nowMs}::bigint
        from unnest(${texts(schedules.map(({ name }) => name))}::text[],
          ${texts(schedules.map(({ pattern }) => pattern))}::text[]) as one (name, pattern)
        on conflict (name) do update set pattern = excluded.pattern, last_ms = excluded.last_ms
          where job_schedules.pattern <> excluded.pattern`);
      const rows = await core.rows<{ name: string; last_ms: string }>(sql`
        select name, last_ms from core.job_schedules
        where name = any(${texts(schedules.map(({ name }) => name))}::text[])`);
      return new Map(rows.map(({ name, last_ms }) => [name, Number(last_ms)]));
    },
    async advance(tx, name, fromMs, toMs) {
      const moved = await tx.run(sql`
        update core.job_schedules set last_ms = ${toMs}::bigint where name = ${name} and last_ms = ${fromMs}::bigint`);
      return moved === 1;
    },
  };
}
