/**
 * Jobs as people look at them, and what they do to them by hand.
 */
import { BIGINT_MAX } from '#base/values/bigint';
import { isConstraintViolation, numbers, type Queryable, type Sql, sql } from '#blocks/database';
import { parseId } from '#blocks/ids';
import type { JobFilter, JobInspectionStore, StoredJob, WaitCircumstances } from '../store.ts';

/** Counting stops here: "more than" is answer enough. */
const AHEAD_MAX = 10_000;

type Nullable<T> = { [K in keyof T]: T[K] | null };

interface Row
  extends Nullable<
    Pick<
      StoredJob,
      | 'attemptsMax'
      | 'priority'
      | 'uniqueKey'
      | 'concurrencyKey'
      | 'progress'
      | 'lastError'
      | 'detail'
      | 'worker'
    >
  > {
  jobId: string;
  workspaceId: string;
  queue: string;
  state: StoredJob['state'];
  attempts: number;
  runAtMs: string | null;
  finishedMs: string | null;
}

function toJob(row: Row): StoredJob {
  return {
    jobId: row.jobId,
    workspaceId: row.workspaceId,
    queue: row.queue,
    state: row.state,
    attempts: row.attempts,
    attemptsMax: row.attemptsMax ?? undefined,
    priority: row.priority ?? undefined,
    runAtMs: row.runAtMs === null ? undefined : Number(row.runAtMs),
    uniqueKey: row.uniqueKey ?? undefined,
    concurrencyKey: row.concurrencyKey ?? undefined,
    progress: row.progress ?? undefined,
    lastError: row.lastError ?? undefined,
    enqueuedMs: parseId(row.jobId).timeMs,
    finishedMs: row.finishedMs === null ? undefined : Number(row.finishedMs),
    detail: row.detail ?? undefined,
    worker: row.worker ?? undefined,
  };
}

interface Where {
  ofLiving: Sql;
  ofDead: Sql;
  ofHistory: Sql;
}

/** One list of three tables, each read by an index of its own and bounded, so that none is read whole. */
function select({ ofLiving, ofDead, ofHistory }: Where, limit: number): Sql<Row> {
  const newestFirst = sql`order by job_id desc limit ${limit}`;
  return sql<Row>`
    (select job.job_id as "jobId", workspace_id as "workspaceId", job.queue,
        case when lease.worker is null then state else 'running' end as state, attempts,
        attempts_max as "attemptsMax", priority, run_at_ms as "runAtMs", unique_key as "uniqueKey",
        concurrency_key as "concurrencyKey", case when lease.worker is not null then progress end as progress,
        last_error as "lastError", null::bigint as "finishedMs", null::text as detail, lease.worker
      from core.jobs as job
      left join lateral (
        select worker from core.job_leases
        where job_leases.queue = job.queue and job.job_id = any(job_ids) limit 1
      ) as lease on true
      where ${ofLiving} ${newestFirst})
    union all
    (select job_id, workspace_id, queue, 'dead', attempts, attempts_max, priority, null, unique_key, concurrency_key,
        null, last_error, died_ms, null, null
      from core.dead_jobs where ${ofDead} ${newestFirst})
    union all
    (select job_id, workspace_id, queue, outcome, attempts, null, null, null, null, null, null, null, finished_ms,
        detail, null
      from core.job_history where ${ofHistory} ${newestFirst})
    order by "jobId" desc limit ${limit}`;
}

/** Which of the tables can hold what the filter asks for, and which rows of them. */
function whereOf({ queue, workspaceId, state, beforeId }: JobFilter): Where {
  const common = sql`job_id < ${beforeId ?? BIGINT_MAX}::bigint
    and (${queue ?? null}::text is null or queue = ${queue ?? null})
    and (${workspaceId ?? null}::bigint is null or workspace_id = ${workspaceId ?? null}::bigint)`;
  const none = sql`false`;
  const isLiving = state === undefined || ['scheduled', 'ready', 'held', 'running'].includes(state);
  return {
    ofLiving: isLiving
      ? sql`job_id < ${beforeId ?? BIGINT_MAX}::bigint
          and (${queue ?? null}::text is null or job.queue = ${queue ?? null})
          and (${workspaceId ?? null}::bigint is null or workspace_id = ${workspaceId ?? null}::bigint)
          and (${state ?? null}::text is null
            or case when lease.worker is null then state else 'running' end = ${state ?? null})`
      : none,
    ofDead: state === undefined || state === 'dead' ? common : none,
    ofHistory:
      state === undefined || !(isLiving || state === 'dead')
        ? sql`${common} and (${state ?? null}::text is null or outcome = ${state ?? null})`
        : none,
  };
}

/** What is known of a waiting job's surroundings. */
function factsOf(jobId: string): Sql<{
  hasTwin: boolean;
  ofKey: number;
  rateOpensMs: string | null;
  workers: number;
  ahead: number;
}> {
  return sql`
    select
      exists (
        select from core.job_leases as lease where lease.queue = job.queue and job.unique_key is not null
          and 'u' || job.workspace_id || ':' || job.unique_key = any(lease.keys)
      ) as "hasTwin",
      (select count(*)::integer from core.job_leases as lease, unnest(lease.keys) as name
        where lease.queue = job.queue and name = 'c' || job.workspace_id || ':' || job.concurrency_key) as "ofKey",
      (select release_ms from core.job_keys as rated where rated.queue = job.queue
        and rated.workspace_id = job.workspace_id and rated.key = job.concurrency_key) as "rateOpensMs",
      (select count(*)::integer from core.job_leases as lease where lease.queue = job.queue) as workers,
      (select count(*)::integer from (
        select from core.jobs as other
        where other.queue = job.queue and other.state = 'ready' and other.score < job.score limit ${AHEAD_MAX}
      ) as before) as ahead
    from core.jobs as job where job.job_id = ${jobId}::bigint`;
}

/** @param core the server's own tables (`database.core`) */
export function createPostgresInspection(core: Queryable): JobInspectionStore {
  const idsOf = (rows: readonly { jobId: string }[]) => rows.map(({ jobId }) => jobId);

  async function find(jobId: string): Promise<StoredJob | undefined> {
    const ofId = sql`job_id = ${jobId}::bigint`;
    const rows = await core.rows(select({ ofLiving: ofId, ofDead: ofId, ofHistory: ofId }, 1));
    return rows.map(toJob)[0];
  }

  return {
    find,
    async list(filter) {
      return (await core.rows(select(whereOf(filter), filter.limit))).map(toJob);
    },
    async facts(jobId) {
      const [job, facts] = await Promise.all([find(jobId), core.first(factsOf(jobId))]);
      if (!job) return undefined;
      const none = { hasTwin: false, ofKey: 0, workers: 0, ahead: 0 };
      const { rateOpensMs, ...others } = facts ?? { ...none, rateOpensMs: null };
      return {
        job,
        ...others,
        rateOpensMs: rateOpensMs === null ? undefined : Number(rateOpensMs),
      } satisfies WaitCircumstances;
    },
    async redrive(jobs, nowMs) {
      const rising = core.rows<{ jobId: string }>(sql`
        with given as (
          select job_id, score from unnest(${numbers(jobs.map(({ jobId }) => jobId))}::bigint[],
            ${numbers(jobs.map(({ score }) => score))}::bigint[]) as one (job_id, score)
        ), picked as (
          -- Of dead jobs with one unique key only the newest can rise.
          select distinct on (dead.workspace_id, dead.queue, coalesce('key ' || dead.unique_key, 'job ' || dead.job_id))
            dead.job_id, given.score
          from given join core.dead_jobs as dead using (job_id)
          where not exists (
            select from core.jobs as twin where twin.workspace_id = dead.workspace_id and twin.queue = dead.queue
              and twin.unique_key = dead.unique_key
          )
          order by dead.workspace_id, dead.queue, coalesce('key ' || dead.unique_key, 'job ' || dead.job_id),
            dead.job_id desc
        ), risen as (
          delete from core.dead_jobs as dead using picked
          where dead.job_id = picked.job_id
          returning dead.job_id, dead.workspace_id, picked.score, dead.bucket, dead.priority, dead.attempts_max,
            dead.queue, dead.unique_key, dead.concurrency_key, dead.traceparent, dead.last_error, dead.payload
        )
        insert into core.jobs (job_id, workspace_id, score, run_at_ms, bucket, priority, attempts_max, queue, unique_key,
          concurrency_key, traceparent, last_error, payload)
        select job_id, workspace_id, score, ${nowMs}::bigint, bucket, priority, attempts_max, queue, unique_key,
          concurrency_key, traceparent, last_error, payload
        from risen
        returning job_id as "jobId"`);
      try {
        return idsOf(await rising);
      } catch (error) {
        // A twin was enqueued in this very moment: nothing has risen.
        if (isConstraintViolation(error, 'jobs_once')) return [];
        throw error;
      }
    },
    async hasten(jobId, score, nowMs) {
      const changed = await core.run(sql`
        update core.jobs set state = 'ready', score = ${score}::bigint, run_at_ms = ${nowMs}::bigint
        where job_id = ${jobId}::bigint and state = 'scheduled'`);
      return changed === 1;
    },
    async withdraw(queue, jobIds, by, nowMs) {
      const row = await core.first<{ ids: string[] }>(sql`
        select core.withdraw_jobs(${queue}, ${numbers(jobIds)}::bigint[], ${by}, ${nowMs}::bigint) as ids`);
      return row?.ids ?? [];
    },
    async discardEach(jobIds, nowMs) {
      const rows = await core.rows<{ jobId: string }>(sql`
        with gone as (
          delete from core.dead_jobs where job_id = any(${numbers(jobIds)}::bigint[])
          returning job_id, workspace_id, bucket, attempts, queue
        )
        insert into core.job_history (job_id, workspace_id, finished_ms, bucket, attempts, queue, outcome)
        select job_id, workspace_id, ${nowMs}::bigint, bucket, attempts, queue, 'discarded' from gone
        returning job_id as "jobId"`);
      return idsOf(rows);
    },
    async waiting(queue) {
      const row = await core.first<
        Record<'ready' | 'scheduled' | 'held', number> & { first: string; last: string }
      >(sql`
        select count(*) filter (where state = 'ready')::float8 as ready,
          count(*) filter (where state = 'scheduled')::float8 as scheduled,
          count(*) filter (where state = 'held')::float8 as held,
          min(run_at_ms) filter (where state = 'scheduled') as first,
          max(run_at_ms) filter (where state = 'scheduled') as last
        from core.jobs where queue = ${queue}
          and job_id not in (select unnest(job_ids) from core.job_leases where queue = ${queue})`);
      const { ready = 0, scheduled = 0, held = 0, first, last } = row ?? {};
      const toMs = (text: string | null | undefined) => (text == null ? undefined : Number(text));
      return { ready, scheduled, held, firstRunAtMs: toMs(first), lastRunAtMs: toMs(last) };
    },
    async leastWorthy(queue, limit) {
      const rows = await core.rows<{ jobId: string }>(sql`
        select job_id as "jobId" from core.jobs
        where queue = ${queue}
          and job_id not in (select unnest(job_ids) from core.job_leases where queue = ${queue})
        order by priority, score desc limit ${limit}`);
      return idsOf(rows);
    },
  };
}
