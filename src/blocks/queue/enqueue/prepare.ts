/**
 * Checks a job and gives it its id and place in line: everything that needs no database, so that a mutation can enqueue
 * without a round trip of its own.
 */
import type { Clock } from '#base/clock';
import type { Ids } from '#blocks/ids';
import type { Definition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import {
  type JobPlacement,
  KEY_LENGTH_MAX,
  PAYLOAD_BYTES_MAX,
  PRIORITY_MAX,
  type PreparedJob,
  type UncheckedJob,
} from '../job.ts';
import { RUN_AT_MS_MAX, type Scores } from '../score.ts';
import type { Admission } from './admission.ts';

const ATTEMPTS_MAX = 1000;

function invalid(queue: string, problem: string): never {
  throw queueErrors.job_invalid({ detail: `${queue}: ${problem}` });
}

function runAtOf({ queue, runAtMs, delayMs }: UncheckedJob, nowMs: number): number {
  if (runAtMs === undefined && delayMs === undefined) return nowMs;
  if (runAtMs !== undefined && delayMs !== undefined)
    invalid(queue, 'runAtMs and delayMs exclude each other');
  const wanted = runAtMs ?? nowMs + (delayMs ?? 0);
  if (!(wanted >= 0 && wanted <= RUN_AT_MS_MAX)) invalid(queue, `cannot run at ${wanted}`);
  return Math.max(nowMs, Math.ceil(wanted));
}

/** Postgres takes no NUL, and a key is compared as it is written. */
function checkKey(queue: string, what: string, key: string | undefined): void {
  if (key === undefined) return;
  const isKey = key.length > 0 && key.length <= KEY_LENGTH_MAX && !key.includes('\0') && key.isWellFormed();
  if (!isKey) invalid(queue, `${what} has 1 to ${KEY_LENGTH_MAX} characters, none of them NUL`);
}

function serialise({ queue, payload }: UncheckedJob): string {
  const text = JSON.stringify(payload) as string | undefined;
  if (text === undefined) invalid(queue, 'the payload is not JSON');
  const bytes = text.length > PAYLOAD_BYTES_MAX / 3 ? Buffer.byteLength(text) : text.length;
  if (bytes > PAYLOAD_BYTES_MAX) {
    throw queueErrors.job_too_large({ detail: `${queue}: ${bytes} bytes; allowed are ${PAYLOAD_BYTES_MAX}` });
  }
  return text;
}

export type Prepare = (
  job: UncheckedJob,
  place: JobPlacement,
  traceparent: string | undefined,
) => PreparedJob;

export function createPrepare(deps: {
  clock: Clock;
  ids: Pick<Ids, 'next'>;
  scores: Scores;
  admission: Admission;
  definitionOf: (queue: string) => Definition;
}): Prepare {
  const { clock, ids, scores, admission, definitionOf } = deps;
  return (job, place, traceparent) => {
    const { queue, priority = 0, uniqueKey, onDuplicate = 'reject', concurrencyKey } = job;
    const definition = definitionOf(queue);
    const attemptsMax = job.attemptsMax ?? definition.attemptsMax;
    if (!(Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX)) {
      invalid(queue, `a priority is 0 to ${PRIORITY_MAX}, not ${priority}`);
    }
    if (!(Number.isInteger(attemptsMax) && attemptsMax >= 1 && attemptsMax <= ATTEMPTS_MAX)) {
      invalid(queue, `attemptsMax is 1 to ${ATTEMPTS_MAX}, not ${attemptsMax}`);
    }
    checkKey(queue, 'a unique key', uniqueKey);
    checkKey(queue, 'a concurrency key', concurrencyKey);
    const nowMs = Math.floor(clock.nowMs());
    const runAtMs = runAtOf(job, nowMs);
    const payload = serialise(job);
    return {
      isDropped: !admission.admit(definition, priority),
      jobId: ids.next(place.bucket),
      workspaceId: place.workspaceId,
      bucket: place.bucket,
      queue,
      priority,
      score: scores.next(runAtMs, priority, nowMs),
      runAtMs,
      isScheduled: runAtMs > nowMs,
      attemptsMax,
      uniqueKey,
      onDuplicate,
      concurrencyKey,
      traceparent,
      payload,
    };
  };
}
