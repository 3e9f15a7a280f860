/**
 * A worker's lane: one queue, its handler, and the turns that join the two.
 *
 * States:  open ──stop──▶ closing: takes no more, gives back what has not begun, waits for what runs ──▶ closed
 *
 * One turn is under way at a time. It records what has ended and takes what is next, in one commit; meanwhile the jobs
 * in flight run, so that the database and the handlers work side by side. A turn comes at once when there is room and
 * there may be jobs; a little later when there is only something to record; and as a heartbeat.
 *
 * A lease that has been lost (a turn says so, or it could not be renewed in time) takes all jobs in flight with it: others
 * run them. Their signals abort, and what they give is not recorded.
 */

import { backoffMs } from '#base/backoff';
import type { Clock, Timer } from '#base/clock';
import { deadlineErrors, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import { defineFaults } from '#base/faults';
import { type Health, lifecycleErrors } from '#base/lifecycle';
import type { Random } from '#base/random';
import type { Runtime } from '#base/runtime';
import type { Definition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import type { ClaimedJob, Handler } from '../job.ts';
import { createSweepTimer } from '../maintenance/sweep-timer.ts';
import type { LaneMetrics } from '../metrics.ts';
import type { Scores } from '../score.ts';
import type { CompleteAndClaim, CompleteAndClaimRequest, JobStore, Lease } from '../store.ts';
import { createInFlight, type Ended, type InFlight } from './in-flight.ts';
import { createPrefetch } from './prefetch.ts';
import { createReadyCursor, type ReadyCursor } from './ready-cursor.ts';
import {
  abortRun,
  createRun,
  type Failed,
  failureOf,
  type Outcome,
  outcomeOf,
  overdue,
  type Run,
} from './run.ts';

const faults = defineFaults('queue', {
  handled: 'a handler has ended; that its job is done has not been recorded',
});

/** What has ended waits so long for more, when nothing else calls for a turn. */
const LINGER_MS = 2;
/** Jobs not begun are given back after so long: another worker may be free. */
const HOLD_MS = 1000;
const RETRY_MS = 100;
const RETRY_MS_MAX = 5000;

export interface WorkerLaneOptions {
  definition: Definition;
  /** Jobs that run at once. */
  concurrency: number;
  worker: string;
  leaseMs: number;
  prefetchMax: number;
}

export interface WorkerLaneDeps extends Runtime {
  store: Pick<JobStore, 'completeAndClaim' | 'leave'>;
  scores: Scores;
  handler: Handler;
  metrics: LaneMetrics;
  /** There are jobs that this worker does not take now: others may. */
  offer: (queue: string) => void;
  /** A job is to be ready at this Unix time. */
  scheduled: (runAtMs: number) => void;
}

export interface DeadJob {
  jobId: string;
  attempts: number;
  traceparent: string | undefined;
  error: string;
}

export interface WorkerLane {
  readonly queue: string;
  readonly readyCursor: ReadyCursor;
  open(): void;
  /** Looks at what it should do next: after `line` has been told of jobs. */
  stir(): void;
  /** A job of the queue has failed for good: says so to people. */
  died(job: DeadJob): void;
  /** Whether it has room and knows of no jobs. */
  isHungry(): boolean;
  /** Whether it would take one more job. */
  hasRoom(): boolean;
  health(): Health;
  close(deadline: AbortSignal): Promise<void>;
}

function createDead(
  queue: string,
  { log, metrics }: Pick<WorkerLaneDeps, 'log' | 'metrics'>,
): WorkerLane['died'] {
  return ({ traceparent, ...job }) => {
    log.error({ queue, ...job, traceId: traceparent?.slice(3, 35) }, 'a job is dead');
    metrics.died();
  };
}

/** A handler says that it is getting on. */
function createOnSign(clock: Clock, inFlight: InFlight) {
  return (run: Run, progress: string | undefined): void => {
    run.aliveMs = clock.monotonicMs();
    if (run.state === 'running' && progress !== undefined) inFlight.progress(run.claimed.jobId, progress);
  };
}

/** Before the next attempt at a job that has failed so often. */
function waitMs(
  { backoffBaseMs: baseMs, backoffMaxMs: maxMs }: Definition,
  attempts: number,
  random: Random,
): number {
  return backoffMs({ baseMs, maxMs }, attempts, random);
}

async function giveBack(
  queue: string,
  held: Lease,
  deadline: AbortSignal,
  { store, log }: Pick<WorkerLaneDeps, 'store' | 'log'>,
): Promise<void> {
  await withSignal(store.leave(queue, held), deadline).catch((error: unknown) => {
    log.warn({ queue, error: describeError(error) }, 'a lease ends by itself: it could not be given back');
  });
}

export function createWorkerLane(options: WorkerLaneOptions, deps: WorkerLaneDeps): WorkerLane {
  const { definition, concurrency, worker, leaseMs, prefetchMax } = options;
  const { clock, random, log, store, scores, handler, metrics, offer } = deps;
  const { name: queue } = definition;
  const inFlight = createInFlight();
  const readyCursor = createReadyCursor();
  const died = createDead(queue, deps);
  const prefetch = createPrefetch({ concurrency, prefetchMax });
  let state: 'idle' | 'open' | 'closing' | 'closed' = 'idle';
  /** `endsMs` on the monotonic clock, as all times here that are not written down. */
  let lease: (Lease & { endsMs: number }) | undefined;
  let isTurning = false;
  let failures = 0;
  let retryAtMs = 0;
  let endedTotal = 0;
  let next: { timer: Timer; atMs: number } | undefined;
  const sweeping = createSweepTimer(clock, sweep);
  let releaseAtMs: number | undefined;
  let onSettled: (() => void) | undefined;

  // Jobs.

  function pump(): void {
    while (state === 'open' && inFlight.runs.size < concurrency) {
      const claimed = inFlight.take();
      if (!claimed) return;
      const run = createRun(claimed, queue, clock.monotonicMs(), createOnSign(clock, inFlight));
      inFlight.runs.add(run);
      void carryOut(run);
      sweeping.plan(true, lease?.endsMs);
    }
  }

  async function carryOut(run: Run): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = outcomeOf(await handler(run.job));
      await faults.handled();
    } catch (error) {
      outcome = failureOf(error);
    }
    inFlight.runs.delete(run);
    if (run.state === 'running') record(run.claimed, run.startedMs, outcome);
    pump();
    plan();
    onSettled?.();
  }

  function record(claimed: ClaimedJob, startedMs: number, outcome: Outcome): void {
    const { jobId } = claimed;
    metrics.ended(outcome.kind, (clock.monotonicMs() - startedMs) / 1000);
    if (outcome.kind === 'done') inFlight.done({ jobId, result: outcome.result });
    else fail(claimed, outcome, clock.nowMs());
  }

  function fail(claimed: ClaimedJob, { error, retryAfterMs }: Failed, nowMs: number): void {
    const { jobId } = claimed;
    const attempts = claimed.attempts + 1;
    if (retryAfterMs === undefined || attempts >= claimed.attemptsMax) {
      died({ jobId, attempts, traceparent: claimed.traceparent, error });
      inFlight.failed({ jobId, error, retry: undefined });
      return;
    }
    const runAtMs = Math.ceil(nowMs + Math.max(retryAfterMs, waitMs(definition, attempts, random)));
    inFlight.failed({
      jobId,
      error,
      retry: { runAtMs, score: scores.next(runAtMs, claimed.priority, nowMs) },
    });
  }

  /** Ends attempts that take too long, and the lease when it could not be renewed. */
  function sweep(): void {
    const nowMs = clock.monotonicMs();
    for (const run of inFlight.runs) {
      const problem = run.state === 'running' ? overdue(run, definition, nowMs) : undefined;
      if (problem === undefined) continue;
      const late = deadlineErrors.deadline_exceeded({ detail: problem });
      record(run.claimed, run.startedMs, failureOf(late));
      run.state = 'late';
      abortRun(run, late);
    }
    if (lease && nowMs > lease.endsMs) lose('it could not be renewed in time');
    sweeping.plan(inFlight.runs.size > 0, lease?.endsMs);
    plan();
  }

  function abandon(reason: unknown): void {
    for (const run of inFlight.runs) {
      if (run.state === 'running') run.state = 'abandoned';
      abortRun(run, reason);
    }
    inFlight.letGo(Number.POSITIVE_INFINITY);
  }

  function lose(detail: string): void {
    lease = undefined;
    inFlight.takeEnded();
    readyCursor.woken(undefined);
    if (inFlight.runs.size + inFlight.waiting() > 0)
      log.error({ queue, worker, detail }, 'the lease on jobs in flight is lost');
    metrics.leaseLost();
    abandon(queueErrors.job_lease_lost({ detail }));
  }

  // Turns.

  const isHungry = () => state === 'open' && !isTurning && !readyCursor.mayHaveMore() && room() > 0;

  function room(): number {
    if (state !== 'open') return 0;
    return prefetch.target() - inFlight.runs.size - inFlight.waiting();
  }

  /** When the next turn is due. */
  function dueAtMs(nowMs: number): number {
    if (failures > 0) return retryAtMs;
    if (readyCursor.mayHaveMore() && room() > 0 && inFlight.waiting() <= prefetch.target() / 2) return nowMs;
    const beatMs = lease ? lease.endsMs - (leaseMs * 2) / 3 : nowMs;
    const releaseMs = room() > 0 ? releaseAtMs : undefined;
    const sinceMs = inFlight.waitingSinceMs();
    return Math.min(
      beatMs,
      releaseMs ?? beatMs,
      inFlight.hasEnded() ? nowMs + LINGER_MS : beatMs,
      sinceMs === undefined ? beatMs : sinceMs + HOLD_MS,
    );
  }

  function plan(): void {
    if (isTurning || state === 'idle' || state === 'closed') return;
    const nowMs = clock.monotonicMs();
    const atMs = dueAtMs(nowMs);
    if (atMs <= nowMs) {
      void completeAndClaim();
      return;
    }
    if (next && next.atMs <= atMs) return;
    next?.timer.cancel();
    next = { timer: clock.after(atMs - nowMs, () => void completeAndClaim(), 'background'), atMs };
  }

  function request(ended: Ended, want: number, lateArrivals: readonly number[]): CompleteAndClaimRequest {
    const nowMs = clock.nowMs();
    return {
      queue,
      worker,
      lease,
      nowMs,
      untilMs: nowMs + leaseMs,
      concurrency,
      endedTotal: endedTotal + ended.done.length + ended.failed.length,
      done: ended.done,
      failed: ended.failed,
      progress: [...ended.progress].map(([jobId, value]) => ({ jobId, value })),
      kept: inFlight.kept(),
      want,
      fromScore: readyCursor.from(),
      lateArrivals,
      perKey: definition.perKey,
    };
  }

  async function completeAndClaim(): Promise<void> {
    if (isTurning || state === 'closed') return;
    isTurning = true;
    next?.timer.cancel();
    next = undefined;
    const startedMs = clock.monotonicMs();
    const waitedBefore = inFlight.waiting();
    inFlight.letGo(state === 'closing' ? Number.POSITIVE_INFINITY : startedMs - HOLD_MS);
    const isGivingBack = inFlight.waiting() < waitedBefore;
    const ended = inFlight.takeEnded();
    prefetch.turned(startedMs, ended.done.length + ended.failed.length);
    const want = Math.max(0, Math.min(room(), prefetch.takeMax()));
    const lateArrivals = readyCursor.begin(want);
    const held = lease;
    try {
      accept(await store.completeAndClaim(request(ended, want, lateArrivals)), ended, startedMs);
      if (isGivingBack) offer(queue);
      failures = 0;
    } catch (error) {
      failures++;
      const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** failures) * (0.5 + random.fraction());
      retryAtMs = clock.monotonicMs() + waitMs;
      // Under a lease that was lost meanwhile they count as not ended: others have these jobs.
      if (lease === held) inFlight.restore(ended);
      readyCursor.woken(undefined);
      log.warn({ queue, err: error }, 'a turn on a queue failed; trying again');
    } finally {
      isTurning = false;
      metrics.turned((clock.monotonicMs() - startedMs) / 1000);
    }
    pump();
    plan();
    onSettled?.();
  }

  function accept(answer: CompleteAndClaim, { done, failed }: Ended, startedMs: number): void {
    if (answer.kind === 'lost') {
      lose('it had run out, and the jobs were given to others');
      return;
    }
    const endedNow = done.length + failed.length;
    endedTotal += endedNow;
    metrics.recorded(endedNow);
    const { releaseAtMs: wallMs } = answer;
    lease = { ...answer.lease, endsMs: startedMs + leaseMs };
    releaseAtMs = wallMs === undefined ? undefined : clock.monotonicMs() + wallMs - clock.nowMs();
    readyCursor.read(answer);
    for (const score of answer.released) readyCursor.woken(score);
    prefetch.weighed(answer.jobs.length, answer.payloadLength);
    inFlight.add(answer.jobs, clock.monotonicMs());
    sweeping.plan(inFlight.runs.size > 0, lease.endsMs);
    const retryMs = failed.flatMap(({ retry }) => (retry ? [retry.runAtMs] : []));
    if (retryMs.length > 0) deps.scheduled(Math.min(...retryMs));
    if (readyCursor.mayHaveMore() && room() <= 0) offer(queue);
  }

  // The end.

  async function settleAll(): Promise<void> {
    while (inFlight.runs.size > 0 || inFlight.hasEnded() || isTurning) {
      await new Promise<void>((resolve) => {
        onSettled = resolve;
      });
    }
  }

  return {
    ...{ queue, readyCursor, died, isHungry, stir: plan },
    open() {
      state = 'open';
      plan();
    },
    hasRoom: () => room() > 0,
    health() {
      if (failures < 2) return { status: 'ok' };
      return { status: 'failing', reason: `the jobs of ${queue} cannot be taken or recorded` };
    },
    async close(deadline) {
      if (state === 'open') {
        state = 'closing';
        void completeAndClaim();
        await withSignal(settleAll(), deadline).catch(() => {
          abandon(lifecycleErrors.stopped({ detail: 'the worker is being stopped' }));
        });
      }
      state = 'closed';
      next?.timer.cancel();
      sweeping.cancel();
      const held = lease;
      lease = undefined;
      if (held) await giveBack(queue, held, deadline, deps);
    },
  };
}
