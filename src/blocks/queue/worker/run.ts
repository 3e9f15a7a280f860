/**
 * One attempt at a job.
 *
 * States:  running ──the handler settles──▶ settled
 *             ├── its time is up: recorded as failed, its slot stays taken until the handler settles ──▶ late
 *             └── the lease is lost, or the worker gives up: nothing of it is recorded ──▶ abandoned
 */
import { describeError, isLoadstoneError } from '#base/errors';
import type { JsonValue } from '#base/values/json';
import { defineLazy } from '#base/values/lazy';
import type { Definition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import {
  type ClaimedJob,
  ERROR_LENGTH_MAX,
  type Handler,
  type Job,
  PROGRESS_BYTES_MAX,
  RESULT_BYTES_MAX,
} from '../job.ts';

export interface Run {
  readonly claimed: ClaimedJob;
  readonly job: Job;
  /** On the monotonic clock, as is the next. */
  readonly startedMs: number;
  /** The last sign of life. */
  aliveMs: number;
  state: 'running' | 'late' | 'abandoned';
  /** Made only if somebody asks for the signal: it costs as much as all the rest of a trivial job. */
  controller: AbortController | undefined;
  aborted: { reason: unknown } | undefined;
}

export interface Failed {
  kind: 'failed';
  error: string;
  /** The least wait before the next attempt; undefined when none would help. */
  retryAfterMs: number | undefined;
}

export type Outcome = { kind: 'done'; result: string | undefined } | Failed;

function signalOf(run: Run): AbortSignal {
  if (!run.controller) {
    run.controller = new AbortController();
    if (run.aborted) run.controller.abort(run.aborted.reason);
  }
  return run.controller.signal;
}

const withSignal = defineLazy<'signal', AbortSignal>('signal');

/** Aborts the signal of the attempt; the first reason stays. */
export function abortRun(run: Run, reason: unknown): void {
  run.aborted ??= { reason };
  run.controller?.abort(run.aborted.reason);
}

/** @param onSign told of each sign of life, and of progress as JSON */
export function createRun(
  claimed: ClaimedJob,
  queue: string,
  startedMs: number,
  onSign: (run: Run, progress: string | undefined) => void,
): Run {
  const given = {
    jobId: claimed.jobId,
    workspaceId: claimed.workspaceId,
    bucket: claimed.bucket,
    queue,
    payload: claimed.payload,
    attempt: claimed.attempts + 1,
    attemptsMax: claimed.attemptsMax,
    traceparent: claimed.traceparent,
    idempotencyToken: `job-${claimed.jobId}`,
    heartbeat() {
      if (run.aborted) throw run.aborted.reason;
      onSign(run, undefined);
    },
    progress: (value: JsonValue) => onSign(run, boundedJson(value, PROGRESS_BYTES_MAX) ?? '"(too large)"'),
  };
  const run: Run = {
    claimed,
    job: withSignal(given, () => signalOf(run)),
    startedMs,
    aliveMs: startedMs,
    state: 'running',
    controller: undefined,
    aborted: undefined,
  };
  return run;
}

/** What is wrong with an attempt that should have ended or given a sign of life by now. */
export function overdue(
  { startedMs, aliveMs }: Run,
  { timeoutMs, heartbeatMs }: Pick<Definition, 'timeoutMs' | 'heartbeatMs'>,
  nowMs: number,
): string | undefined {
  if (nowMs - startedMs >= timeoutMs) return `not finished within ${timeoutMs} ms`;
  return nowMs - aliveMs >= heartbeatMs ? `no heartbeat for ${heartbeatMs} ms` : undefined;
}

/** Undefined when it is too large. */
function boundedJson(value: JsonValue, bytesMax: number): string | undefined {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) return 'null';
  return text.length <= bytesMax && Buffer.byteLength(text) <= bytesMax ? text : undefined;
}

/** What a handler returned. */
export function outcomeOf(value: Awaited<ReturnType<Handler>>): Outcome {
  if (value === undefined) return { kind: 'done', result: undefined };
  const result = boundedJson(value, RESULT_BYTES_MAX);
  return result === undefined
    ? failureOf(queueErrors.job_result_too_large({ detail: `more than ${RESULT_BYTES_MAX} bytes` }))
    : { kind: 'done', result };
}

const NON_RETRYABLE = new Set(['job_non_retryable', 'job_payload_unreadable', 'job_result_too_large']);

/** What a handler threw. */
export function failureOf(error: unknown): Outcome {
  const text = describeError(error).slice(0, ERROR_LENGTH_MAX);
  if (!isLoadstoneError(error)) return { kind: 'failed', error: text, retryAfterMs: 0 };
  return {
    kind: 'failed',
    error: `${error.code}: ${text}`.slice(0, ERROR_LENGTH_MAX),
    retryAfterMs: NON_RETRYABLE.has(error.code) ? undefined : (error.retryAfterS ?? 0) * 1000,
  };
}
