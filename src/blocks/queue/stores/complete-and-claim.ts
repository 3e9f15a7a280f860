/**
 * A worker's turn, over to core.turn_jobs and back.
 */
import type { JsonValue } from '#base/values/json';
import { jsonTexts, numbers, type Queryable, sql, texts } from '#blocks/database';
import type { ClaimedJob } from '../job.ts';
import type { CompleteAndClaim, CompleteAndClaimRequest } from '../store.ts';

interface Row {
  fence: string | null;
  fence_from: string;
  seen: number | null;
  last_score: string | null;
  release_at_ms: string | null;
  released: string | null;
  heads: string | null;
  key_pairs: string | null;
  payloads: string | null;
}

const FENCE_FROM_FIRST = '0';

/** As the leases write them, and migrations/0004_turns.sql compares them. */
export function locksOf(job: {
  workspaceId: string;
  uniqueKey: string | undefined;
  concurrencyKey: string | undefined;
}): string[] {
  const locks: string[] = [];
  if (job.uniqueKey !== undefined) locks.push(`u${job.workspaceId}:${job.uniqueKey}`);
  if (job.concurrencyKey !== undefined) locks.push(`c${job.workspaceId}:${job.concurrencyKey}`);
  return locks;
}

type KeyPairs = Record<string, [string | null, string | null]>;

function unpack({ heads, key_pairs, payloads }: Row, isKeyed: boolean): ClaimedJob[] {
  if (heads === null || payloads === null) return [];
  const payloadsOf = JSON.parse(payloads) as JsonValue[];
  const pairs = key_pairs === null ? undefined : (JSON.parse(key_pairs) as KeyPairs);
  return heads.split('\n').map((head, at) => {
    const [jobId = '', workspaceId = '', bucket, priority, attempts, attemptsMax, traceparent] =
      head.split(' ');
    const [uniqueKey, concurrencyKey] = pairs?.[jobId] ?? [];
    return {
      jobId,
      workspaceId,
      bucket: Number(bucket),
      priority: Number(priority),
      attempts: Number(attempts),
      attemptsMax: Number(attemptsMax),
      traceparent: traceparent === '-' ? undefined : traceparent,
      payload: payloadsOf[at] as JsonValue,
      locks: pairs
        ? locksOf({
            workspaceId,
            uniqueKey: uniqueKey ?? undefined,
            concurrencyKey: isKeyed ? (concurrencyKey ?? undefined) : undefined,
          })
        : [],
    };
  });
}

/** Postgres takes neither NUL nor half of a surrogate pair, which an error that quotes its input may hold. */
const storable = (text: string) => text.replaceAll('\0', '').toWellFormed();

function failures({ failed }: CompleteAndClaimRequest): string | null {
  if (failed.length === 0) return null;
  return JSON.stringify(
    failed.map(({ jobId, error, retry }) => ({
      id: jobId,
      error: storable(error),
      runAtMs: retry?.runAtMs ?? null,
      score: retry?.score ?? null,
    })),
  );
}

function progress({ progress: given }: CompleteAndClaimRequest): string | null {
  return given.length === 0 ? null : JSON.stringify(given.map(({ jobId, value }) => ({ id: jobId, value })));
}

export async function completeAndClaim(
  core: Queryable,
  request: CompleteAndClaimRequest,
): Promise<CompleteAndClaim> {
  const { lease, done, kept, perKey, want } = request;
  const withResult = done.filter(({ result }) => result !== undefined);
  const row = await core.first<Row>(sql`
    select fence, fence_from, seen, last_score, release_at_ms, released, heads, key_pairs, payloads
    from core.turn_jobs(${request.queue}, ${request.worker}, ${lease?.fence ?? null}::bigint, ${request.nowMs}::bigint,
      ${request.untilMs}::bigint, ${request.concurrency}::integer, ${request.endedTotal}::bigint,
      ${numbers(done.map(({ jobId }) => jobId))}::bigint[], ${numbers(withResult.map(({ jobId }) => jobId))}::bigint[],
      ${jsonTexts(withResult.map(({ result }) => result as string))}::text[], ${failures(request)}::jsonb,
      ${progress(request)}::jsonb, ${numbers(kept.map(({ jobId }) => jobId))}::bigint[],
      ${texts(kept.flatMap(({ locks }) => locks))}::text[], ${want}::integer, ${request.fromScore}::bigint,
      ${lease?.fenceFrom ?? FENCE_FROM_FIRST}::bigint, ${numbers(request.lateArrivals)}::bigint[],
      ${perKey?.concurrency ?? null}::integer, ${perKey?.rate?.count ?? null}::integer,
      ${perKey?.rate?.perMs ?? null}::bigint)`);
  if (!row || row.fence === null) return { kind: 'lost' };
  return {
    kind: 'held',
    lease: { fence: row.fence, fenceFrom: row.fence_from },
    jobs: unpack(row, perKey !== undefined),
    payloadLength: row.payloads?.length ?? 0,
    isFull: want > 0 && row.seen === want,
    lastScore: row.last_score === null ? undefined : Number(row.last_score),
    released: row.released ? row.released.split(' ').map(Number) : [],
    releaseAtMs: row.release_at_ms === null ? undefined : Number(row.release_at_ms),
  };
}
