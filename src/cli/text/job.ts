/**
 * A job in words and in JSON.
 */
import { toTime } from '#base/values/time';
import type { StoredJob, Why } from '#blocks/queue';
import { alignColumns, formatCount, formatSpan, formatTime, oneLine } from './text.ts';

const NOTE_LENGTH_MAX = 60;

const parsed = (json: string | undefined): unknown => (json === undefined ? null : JSON.parse(json));

/** As `GET /v1/jobs/{id}` gives it, and what is the operator's alone. */
export function jobToJson(job: StoredJob): Record<string, unknown> {
  const { jobId: id, workspaceId, queue, state, attempts } = job;
  return {
    ...{ id, workspaceId, queue, state, attempts },
    attemptsMax: job.attemptsMax ?? null,
    priority: job.priority ?? null,
    uniqueKey: job.uniqueKey ?? null,
    concurrencyKey: job.concurrencyKey ?? null,
    worker: job.worker ?? null,
    progress: parsed(job.progress),
    result: state === 'done' ? parsed(job.detail) : null,
    problem: job.lastError ?? null,
    replacedBy: state === 'replaced' ? parsed(job.detail) : null,
    enqueuedAt: toTime(job.enqueuedMs),
    runAt: toTime(job.runAtMs),
    finishedAt: toTime(job.finishedMs),
  };
}

function attemptsOf({ attempts, attemptsMax }: StoredJob): string {
  return attemptsMax === undefined ? String(attempts) : `${attempts}/${attemptsMax}`;
}

/** What there is to say of it in one line: who runs it, how it failed, what it gave. */
function noteOf({ worker, progress, lastError, detail }: StoredJob): string {
  if (worker !== undefined) return `worker ${worker}${progress === undefined ? '' : `, at ${progress}`}`;
  return lastError ?? (detail === undefined || detail === 'null' ? '' : detail);
}

export function renderJobs(jobs: readonly StoredJob[]): string {
  const head = ['ID', 'QUEUE', 'STATE', 'ATTEMPTS', 'ENQUEUED', 'RUNS', 'ENDED', 'NOTE'];
  const rows = jobs.map((job) => [
    job.jobId,
    job.queue,
    job.state,
    attemptsOf(job),
    formatTime(job.enqueuedMs),
    formatTime(job.runAtMs),
    formatTime(job.finishedMs),
    oneLine(noteOf(job), NOTE_LENGTH_MAX),
  ]);
  return alignColumns([head, ...rows]);
}

export function renderJob(job: StoredJob): string {
  const lines: [string, string | undefined][] = [
    ['job', job.jobId],
    ['workspace', job.workspaceId],
    ['queue', job.queue],
    ['state', job.state],
    ['attempts', attemptsOf(job)],
    ['priority', job.priority?.toString()],
    ['unique key', job.uniqueKey],
    ['concurrency key', job.concurrencyKey],
    ['enqueued', formatTime(job.enqueuedMs)],
    ['runs', job.runAtMs === undefined ? undefined : formatTime(job.runAtMs)],
    ['ended', job.finishedMs === undefined ? undefined : formatTime(job.finishedMs)],
    ['worker', job.worker],
    ['progress', job.progress],
    ['last error', job.lastError],
    [job.state === 'replaced' ? 'replaced by' : 'result', job.detail],
  ];
  return alignColumns(
    lines.flatMap(([name, value]) => (value === undefined ? [] : [[name, oneLine(value)]])),
  );
}

function whyNothing({ jobId, state, worker, attempts, lastError }: StoredJob): string {
  if (state === 'running') return `it runs, in the hand of worker ${worker}`;
  if (state !== 'dead') return `it is over: ${state}`;
  const failed = `it is dead, after ${formatCount(attempts, 'attempt')}: ${oneLine(lastError ?? 'no reason is known')}`;
  return `${failed}; run it again with: loadstone jobs retry ${jobId}`;
}

/** What holds the job back, as a sentence. @param why as told of `job` */
export function renderWhy(why: Why, job: StoredJob, nowMs: number): string {
  const until = (ms: number) => `${formatTime(ms)} (in ${formatSpan(Math.max(0, ms - nowMs))})`;
  switch (why.waitsFor) {
    case 'nothing':
      return whyNothing(job);
    case 'schedule':
      return `it waits for its time, ${until(why.untilMs)}`;
    case 'backoff': {
      const failed = `${formatCount(why.attempts, 'attempt')} of ${job.attemptsMax} failed`;
      return `it waits until ${until(why.untilMs)}, because ${failed}: ${oneLine(why.lastError ?? 'no reason is known')}`;
    }
    case 'unique_twin':
      return `it waits for another job with the unique key ${oneLine(job.uniqueKey ?? '')}, which runs`;
    case 'key_concurrency':
      return `it waits for its concurrency key ${oneLine(why.key)}: ${why.running} with it run, and no more than ${why.limit} may`;
    case 'key_rate':
      return `it waits for the rate of its concurrency key ${oneLine(why.key)}${
        why.untilMs === undefined ? '' : `, until ${until(why.untilMs)}`
      }`;
    case 'no_worker':
      return `it waits for a worker: none works on the queue ${job.queue}`;
    case 'priority':
      return `it waits behind ${formatCount(why.ahead, 'job')} of its queue`;
    case 'turn':
      return 'nothing holds it back: it is about to run';
  }
}

export function whyToJson(why: Why, { jobId: id, queue, state }: StoredJob): Record<string, unknown> {
  const { untilMs, ...rest } = { untilMs: undefined, ...why };
  return { id, queue, state, ...rest, ...(untilMs === undefined ? {} : { until: toTime(untilMs) }) };
}

/** What a retry did, by the state in which it found the job, and what came of it so far. */
export function renderRetry({ jobId, state }: StoredJob, now: StoredJob): string {
  if (state !== 'dead' && state !== 'scheduled')
    return `job ${jobId} is ${state} already: nothing was changed`;
  const done =
    state === 'dead'
      ? `job ${jobId} was dead, and runs again with all its attempts`
      : `job ${jobId} waited for its time, and runs now`;
  if (now.state === 'replaced') return `${done}; it has put job ${String(parsed(now.detail))} in its place`;
  if (now.state === 'dead')
    return `${done}; it is dead again: ${oneLine(now.lastError ?? 'no reason is known')}`;
  return now.state === 'done' ? `${done}; it is done` : done;
}
