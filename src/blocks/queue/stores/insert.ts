/**
 * Writes jobs. Each array in a statement costs 0.25 µs a row to take apart: thirteen of them 11 µs a job in all, three
 * 7 µs. So a run of jobs that differ only in id, score and payload goes as one statement of three arrays, and the rest
 * as one of thirteen; all of them sent together, in one round trip.
 */
import { isLoadstoneError } from '#base/errors';
import {
  isConstraintViolation,
  jsonTexts,
  numbers,
  type Queryable,
  type Sql,
  sql,
  texts,
} from '#blocks/database';
import { queueErrors } from '../errors.ts';
import type { PreparedJob } from '../job.ts';
import type { Scores } from '../score.ts';

/** A shorter run is not worth a statement of its own. */
const RUN_LENGTH_MIN = 16;

const stateOf = ({ isScheduled }: PreparedJob) => (isScheduled ? 'scheduled' : 'ready');

function isAlike(a: PreparedJob, b: PreparedJob): boolean {
  return (
    a.queue === b.queue &&
    a.priority === b.priority &&
    a.workspaceId === b.workspaceId &&
    a.bucket === b.bucket &&
    a.isScheduled === b.isScheduled &&
    a.attemptsMax === b.attemptsMax &&
    a.traceparent === b.traceparent &&
    a.concurrencyKey === undefined &&
    b.concurrencyKey === undefined
  );
}

/** Splits into runs of jobs that are alike, and all others. */
function splitRuns(jobs: readonly PreparedJob[]): { runs: PreparedJob[][]; others: PreparedJob[] } {
  const runs: PreparedJob[][] = [];
  const others: PreparedJob[] = [];
  for (let from = 0; from < jobs.length; ) {
    const first = jobs[from] as PreparedJob;
    let to = from + 1;
    while (to < jobs.length && isAlike(first, jobs[to] as PreparedJob)) to++;
    const run = jobs.slice(from, to);
    if (run.length >= RUN_LENGTH_MIN && first.concurrencyKey === undefined) runs.push(run);
    else others.push(...run);
    from = to;
  }
  return { runs, others };
}

/** @param run at least one; alike */
function insertRun(run: readonly PreparedJob[], scores: Scores): Sql {
  const first = run[0] as PreparedJob;
  // The score says when each may run: a fourth array is not needed.
  const originMs = scores.runAtMs(0, first.priority);
  return sql`
    insert into core.jobs (job_id, workspace_id, bucket, queue, score, run_at_ms, state, priority, attempts_max,
      traceparent, payload)
    select job_id, ${first.workspaceId}::bigint, ${first.bucket}::smallint, ${first.queue}, score,
      ${originMs}::bigint + (score >> 12), ${stateOf(first)}, ${first.priority}::smallint,
      ${first.attemptsMax}::smallint, ${first.traceparent ?? null}::text, payload
    from unnest(${numbers(run.map(({ jobId }) => jobId))}::bigint[], ${numbers(run.map(({ score }) => score))}::bigint[],
      ${jsonTexts(run.map(({ payload }) => payload))}::text[]) as job (job_id, score, payload)`;
}

const NOTHING_ON_CONFLICT = sql``;
const KEEP_ON_CONFLICT = sql`on conflict (workspace_id, queue, unique_key) where unique_key is not null do nothing`;

function insertMixed(jobs: readonly PreparedJob[], onConflict: Sql): Sql {
  const column = <K extends keyof PreparedJob>(name: K) => jobs.map((job) => job[name]);
  return sql`
    insert into core.jobs (job_id, score, payload, workspace_id, bucket, queue, run_at_ms, state, priority, attempts_max,
      unique_key, concurrency_key, traceparent)
    select job_id, score, payload, workspace_id, bucket, queue, run_at_ms, state, priority, attempts_max, unique_key,
      concurrency_key, traceparent
    from unnest(${numbers(column('jobId'))}::bigint[], ${numbers(column('score'))}::bigint[],
      ${jsonTexts(column('payload'))}::text[], ${numbers(column('workspaceId'))}::bigint[],
      ${numbers(column('bucket'))}::smallint[], ${texts(column('queue'))}::text[],
      ${numbers(column('runAtMs'))}::bigint[], ${texts(jobs.map(stateOf))}::text[],
      ${numbers(column('priority'))}::smallint[], ${numbers(column('attemptsMax'))}::smallint[],
      ${texts(column('uniqueKey'))}::text[], ${texts(column('concurrencyKey'))}::text[],
      ${texts(column('traceparent'))}::text[])
      as job (job_id, score, payload, workspace_id, bucket, queue, run_at_ms, state, priority, attempts_max, unique_key,
        concurrency_key, traceparent)
    ${onConflict}`;
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const uniqueOf = ({ workspaceId, queue, uniqueKey }: PreparedJob) => `${workspaceId} ${queue} ${uniqueKey}`;

/** Of jobs that replace each other within one call, the last stays. */
function lastOfEachKey(jobs: readonly PreparedJob[]): PreparedJob[] {
  const byKey = new Map(jobs.map((job) => [uniqueOf(job), job]));
  return [...byKey.values()];
}

function replaceJobs(jobs: readonly PreparedJob[]): Sql {
  const given = lastOfEachKey(jobs).map((job) => ({
    job_id: job.jobId,
    workspace_id: job.workspaceId,
    score: job.score,
    run_at_ms: job.runAtMs,
    bucket: job.bucket,
    priority: job.priority,
    attempts_max: job.attemptsMax,
    queue: job.queue,
    state: stateOf(job),
    unique_key: job.uniqueKey,
    concurrency_key: job.concurrencyKey,
    traceparent: job.traceparent,
    payload: job.payload,
  }));
  return sql`select core.replace_jobs(${JSON.stringify(given)}::jsonb)`;
}

/**
 * Postgres itself refuses twins, and with them the transaction, and names all of them at once: a count of what was inserted
 * would be known only after the commit, which may have been sent behind the statement without waiting.
 */
function insertRejected(jobs: readonly PreparedJob[]): Sql {
  return sql`
    with inserted as (${insertMixed(jobs, KEEP_ON_CONFLICT)} returning job_id)
    select core.refuse_twins(array(
      select job_id from unnest(${numbers(jobs.map(({ jobId }) => jobId))}::bigint[]) as job (job_id)
      except all select job_id from inserted))`;
}

interface Plan {
  statements: Sql[];
  /** Writes those that are to be rejected if they have a twin. */
  rejecting: Sql | undefined;
}

function planInsert(jobs: readonly PreparedJob[], scores: Scores): Plan {
  const wanted = jobs.filter(({ isDropped }) => !isDropped);
  const { runs, others } = splitRuns(wanted.filter(({ uniqueKey }) => uniqueKey === undefined));
  // In the order of their keys, so that two transactions cannot wait for each other's in a circle.
  const unique = wanted
    .filter(({ uniqueKey }) => uniqueKey !== undefined)
    .toSorted((a, b) => compareText(uniqueOf(a), uniqueOf(b)));
  const of = (onDuplicate: PreparedJob['onDuplicate']) =>
    unique.filter((job) => job.onDuplicate === onDuplicate);
  const [reject, ignore, replace] = [of('reject'), of('ignore'), of('replace')];
  const statements = runs.map((run) => insertRun(run, scores));
  if (others.length > 0) statements.push(insertMixed(others, NOTHING_ON_CONFLICT));
  if (ignore.length > 0) statements.push(insertMixed(ignore, KEEP_ON_CONFLICT));
  if (replace.length > 0) statements.push(replaceJobs(replace));
  if (reject.length === 0) return { statements, rejecting: undefined };
  return { statements, rejecting: insertRejected(reject) };
}

async function insertRejecting(tx: Queryable, statement: Sql): Promise<void> {
  try {
    await tx.run(statement);
  } catch (error) {
    if (!isConstraintViolation(error, 'jobs_once')) throw error;
    throw queueErrors.job_duplicate({
      detail: 'a job with the same unique key waits or runs already',
      cause: error,
    });
  }
}

/** The ids of the jobs that have a twin, as a `job_duplicate` names them. */
export function twinsOf(error: unknown): readonly string[] {
  const cause = isLoadstoneError(error) && error.code === 'job_duplicate' ? error.cause : undefined;
  return (cause as { detail?: string } | undefined)?.detail?.split(' ') ?? [];
}

/** @throws job_duplicate */
export async function insertJobs(tx: Queryable, jobs: readonly PreparedJob[], scores: Scores): Promise<void> {
  const { statements, rejecting } = planInsert(jobs, scores);
  const sent: Promise<unknown>[] = statements.map((statement) => tx.run(statement));
  if (rejecting) sent.push(insertRejecting(tx, rejecting));
  // All of them, so that nothing of the transaction is under way any more when one has failed.
  const failed = (await Promise.allSettled(sent)).find(({ status }) => status === 'rejected');
  if (failed) throw (failed as PromiseRejectedResult).reason;
}

/** The one statement that writes the jobs, if there is such a one: it needs no transaction around it. */
export function insertStatement(jobs: readonly PreparedJob[], scores: Scores): Sql | undefined {
  if (jobs.some(({ onDuplicate, uniqueKey }) => uniqueKey !== undefined && onDuplicate === 'reject'))
    return undefined;
  const { statements } = planInsert(jobs, scores);
  return statements.length === 1 ? statements[0] : undefined;
}
