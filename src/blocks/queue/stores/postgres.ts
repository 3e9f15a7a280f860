/**
 * The jobs on Postgres. Claims and completions are functions of the database (migrations/0003 and 0004): one statement,
 * so one round trip and one commit for both, and the queue's lock is held only while Postgres itself works.
 *
 * Rejected, with what they cost on the 2-core build machine: CPU of Postgres for claim, completion and history of a job,
 * and jobs a second on one connection (ten for the first), synchronous_commit on.
 *   `for update skip locked limit 1`, update; delete    300 µs    3,000/s   two commits for each job
 *   the same 500 at a time                               14 µs   50,000/s   three versions of a row, one of them indexed
 *   delete on claim, the batch held in one row           22 µs   36,000/s   every payload written twice
 *   this: 500 ids in a lease row, the jobs untouched      8 µs   65,000/s   a row is written once and deleted once
 *   this, 2,000 at a time                               6.5 µs   97,000/s
 */
import { isLoadstoneError } from '#base/errors';
import { databaseErrors, numbers, type Queryable, sql, texts } from '#blocks/database';
import type { Scores } from '../score.ts';
import type { JobStore, Reaped } from '../store.ts';
import { completeAndClaim } from './complete-and-claim.ts';
import { insertJobs, insertStatement } from './insert.ts';

function deadOf(line: string): Reaped['dead'][number] {
  const [jobId = '', attempts, traceparent] = line.split(' ');
  return { jobId, attempts: Number(attempts), traceparent: traceparent === '-' ? undefined : traceparent };
}

/** @param core the server's own tables (`database.core`) */
export function createPostgresJobs(core: Queryable, scores: Scores): JobStore {
  return {
    insert: (tx, jobs) => insertJobs(tx, jobs, scores),
    async insertAlone(jobs) {
      const statement = insertStatement(jobs, scores);
      if (!statement) return false;
      try {
        await core.run(statement);
      } catch (error) {
        // Without a transaction around it, a statement whose answer is lost may have been committed.
        const isUnknown = isLoadstoneError(error) && error.code === 'database_unavailable';
        throw isUnknown ? databaseErrors.outcome_unknown({ cause: error, retryAfterS: 1 }) : error;
      }
      return true;
    },
    completeAndClaim: (request) => completeAndClaim(core, request),
    async leave(queue, { fence }) {
      await core.run(sql`delete from core.job_leases where queue = ${queue} and lease_id = ${fence}`);
    },
    async look(queues) {
      const seen = await core.first<Record<'lowest' | 'due_ms' | 'ends_ms', string | null>>(sql`
        select lowest, due_ms, (select min(until_ms) from core.job_leases) as ends_ms from core.look_at_jobs(${texts(queues.map(({ queue }) => queue))}::text[],
          ${numbers(queues.map(({ fromScore }) => fromScore))}::bigint[])`);
      const lowest = seen?.lowest?.split(' ') ?? [];
      return {
        lowest: queues.map((_, at) => (lowest[at] === '-' ? undefined : Number(lowest[at]))),
        dueMs: seen?.due_ms ? Number(seen.due_ms) : undefined,
        leaseEndsMs: seen?.ends_ms ? Number(seen.ends_ms) : undefined,
      };
    },
    async promote(nowMs, limit) {
      const rows = await core.rows<{ queue: string; scores: string }>(sql`
        select promoted_queue as queue, scores from core.promote_jobs(${nowMs}::bigint, ${limit}::integer)`);
      return rows.map(({ queue, scores: given }) => ({ queue, scores: given.split(' ').map(Number) }));
    },
    async reap(queues, nowMs) {
      const rows = await core.rows<{ queue: string; worker: string; jobs: number; dead: string | null }>(sql`
        select reaped_queue as queue, reaped_worker as worker, reaped_jobs as jobs, reaped_dead as dead
        from core.reap_jobs(${nowMs}::bigint, ${texts(queues)}::text[])`);
      return rows.map(({ dead, ...row }) => ({
        ...row,
        dead: dead === null ? [] : dead.split('\n').map(deadOf),
      }));
    },
  };
}
