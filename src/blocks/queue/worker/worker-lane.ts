/**
 * A worker's lane: one queue, its handler, and the turns that join the two.
 *
 * States:  open ──stop──▶ closing: takes no more, gives back what has not begun, waits for what runs ──▶ closed
 *
 * One turn is under way at a time. It records what has ended and takes what is next, in one commit; meanwhile the jobs
 * in hand run, so that the database and the handlers work side by side. A turn comes at once when there is room and
 * there may be jobs; a little later when there is only something to record; and as a heartbeat.
 *
 * A lease that has been lost (a turn says so, or it could not be renewed in time) takes all jobs in hand with it: others
 * run them. Their signals abort, and what they give is not recorded.
 */

import { backoffMs } from '#base/backoff';
import type { Clock, Timer } from '#base/clock';
import { deadlineErrors, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import { defineFaults } from '#base/faults';
import { type Health, lifecycleErrors } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import type { Definition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import type { ClaimedJob, Handler } from '../job.ts';
import { createSweepTimer } from '../maintenance/sweep-timer.ts';
import type { LaneMetrics } from '../metrics.ts';
import type { Scores } from '../score.ts';
import type { JobStore, Lease, Turn, TurnRequest } from '../store.ts';
import { createHand, type Ended, type Hand } from './in-flight.ts';
import { createPace } from './prefetch.ts';
import { createLine, type Line } from './ready-cursor.ts';
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

export interface LaneOptions {
  definition: Definition;
  /** Jobs that run at once. */
  concurrency: number;
  worker: string;
  leaseMs: number;
  prefetchMax: number;
}

export interface LaneDeps {
  clock: Clock;
  random: Random;
  log: Log;
  store: Pick<JobStore, 'turn' | 'leave'>;
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

export interface Lane {
  readonly queue: string;
  readonly line: Line;
  open(): void;
  /** Looks at what it should do next: after `line` has been told of jobs. */
  stir(): void;
  /** A job of the queue has failed for good: says so to people. */
  buried(job: DeadJob): void;
  /** Whether it has room and knows of no jobs. */
  isHungry(): boolean;
  /** Whether it would take one more job. */
  hasRoom(): boolean;
  health(): Health;
  close(deadline: AbortSignal): Promise<void>;
}

function createBuried(queue: string, { log, metrics }: Pick<LaneDeps, 'log' | 'metrics'>): Lane['buried'] {
  return ({ traceparent, ...job }) => {
    log.error({ queue, ...job, traceId: traceparent?.slice(3, 35) }, 'a job is dead');
    metrics.died();
  };
}

/** A handler says that it is getting on. */
function createOnSign(clock: Clock, hand: Hand) {
  return (run: Run, progress: string | undefined): void => {
    run.aliveMs = clock.monotonicMs();
    if (run.state === 'running' && progress !== undefined) hand.progress(run.claimed.jobId, progress);
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
  { store, log }: Pick<LaneDeps, 'store' | 'log'>,
): Promise<void> {
  await withSignal(store.leave(queue, held), deadline).catch((error: unknown) => {
    log.warn({ queue, error: describeError(error) }, 'a lease ends by itself: it could not be given back');
  });
}

export function createLane(options: LaneOptions, deps: LaneDeps): Lane {
  const { definition, concurrency, worker, leaseMs, prefetchMax } = options;
  const { clock, random, log, store, scores, handler, metrics, offer } = deps;
  const { name: queue } = definition;
  const hand = createHand();
  const line = createLine();
  const buried = createBuried(queue, deps);
  const pace = createPace({ concurrency, prefetchMax });
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
    while (state === 'open' && hand.runs.size < concurrency) {
      const claimed = hand.take();
      if (!claimed) return;
      const run = createRun(claimed, queue, clock.monotonicMs(), createOnSign(clock, hand));
      hand.runs.add(run);
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
    hand.runs.delete(run);
    if (run.state === 'running') record(run.claimed, run.startedMs, outcome);
    pump();
    plan();
    onSettled?.();
  }

  function record(claimed: ClaimedJob, startedMs: number, outcome: Outcome): void {
    const { jobId } = claimed;
    metrics.ended(outcome.kind, (clock.monotonicMs() - startedMs) / 1000);
    if (outcome.kind === 'done') hand.done({ jobId, result: outcome.result });
    else fail(claimed, outcome, clock.nowMs());
  }

  function fail(claimed: ClaimedJob, { error, retryAfterMs }: Failed, nowMs: number): void {
    const { jobId } = claimed;
    const attempts = claimed.attempts + 1;
    if (retryAfterMs === undefined || attempts >= claimed.attemptsMax) {
      buried({ jobId, attempts, traceparent: claimed.traceparent, error });
      hand.failed({ jobId, error, retry: undefined });
      return;
    }
    const runAtMs = Math.ceil(nowMs + Math.max(retryAfterMs, waitMs(definition, attempts, random)));
    hand.failed({ jobId, error, retry: { runAtMs, score: scores.next(runAtMs, claimed.priority, nowMs) } });
  }

  /** Ends attempts that take too long, and the lease when it could not be renewed. */
  function sweep(): void {
    const nowMs = clock.monotonicMs();
    for (const run of hand.runs) {
      const problem = run.state === 'running' ? overdue(run, definition, nowMs) : undefined;
      if (problem === undefined) continue;
      const late = deadlineErrors.deadline_exceeded({ detail: problem });
      record(run.claimed, run.startedMs, failureOf(late));
      run.state = 'late';
      abortRun(run, late);
    }
    if (lease && nowMs > lease.endsMs) lose('it could not be renewed in time');
    sweeping.plan(hand.runs.size > 0, lease?.endsMs);
    plan();
  }

  function abandon(reason: unknown): void {
    for (const run of hand.runs) {
      if (run.state === 'running') run.state = 'abandoned';
      abortRun(run, reason);
    }
    hand.letGo(Number.POSITIVE_INFINITY);
  }

  function lose(detail: string): void {
    lease = undefined;
    hand.takeEnded();
    line.woken(undefined);
    if (hand.runs.size + hand.waiting() > 0)
      log.error({ queue, worker, detail }, 'the lease on jobs in hand is lost');
    metrics.leaseLost();
    abandon(queueErrors.job_lease_lost({ detail }));
  }

  // Turns.

  const isHungry = () => state === 'open' && !isTurning && !line.mayHaveMore() && room() > 0;

  function room(): number {
    if (state !== 'open') return 0;
    return pace.target() - hand.runs.size - hand.waiting();
  }

  /** When the next turn is due. */
  function dueAtMs(nowMs: number): number {
    if (failures > 0) return retryAtMs;
    if (line.mayHaveMore() && room() > 0 && hand.waiting() <= pace.target() / 2) return nowMs;
    const beatMs = lease ? lease.endsMs - (leaseMs * 2) / 3 : nowMs;
    const releaseMs = room() > 0 ? releaseAtMs : undefined;
    const sinceMs = hand.waitingSinceMs();
    return Math.min(
      beatMs,
      releaseMs ?? beatMs,
      hand.hasEnded() ? nowMs + LINGER_MS : beatMs,
      sinceMs === undefined ? beatMs : sinceMs + HOLD_MS,
    );
  }

  function plan(): void {
    if (isTurning || state === 'idle' || state === 'closed') return;
    const nowMs = clock.monotonicMs();
    const atMs = dueAtMs(nowMs);
    if (atMs <= nowMs) {
      void turn();
      return;
    }
    if (next && next.atMs <= atMs) return;
    next?.timer.cancel();
    next = { timer: clock.after(atMs - nowMs, () => void turn(), 'background'), atMs };
  }

  function request(ended: Ended, want: number, strays: readonly number[]): TurnRequest {
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
      kept: hand.kept(),
      want,
      fromScore: line.from(),
      strays,
      perKey: definition.perKey,
    };
  }

  async function turn(): Promise<void> {
    if (isTurning || state === 'closed') return;
    isTurning = true;
    next?.timer.cancel();
    next = undefined;
    const startedMs = clock.monotonicMs();
    const waitedBefore = hand.waiting();
    hand.letGo(state === 'closing' ? Number.POSITIVE_INFINITY : startedMs - HOLD_MS);
    const isGivingBack = hand.waiting() < waitedBefore;
    const ended = hand.takeEnded();
    pace.turned(startedMs, ended.done.length + ended.failed.length);
    const want = Math.max(0, Math.min(room(), pace.takeMax()));
    const strays = line.begin(want);
    const held = lease;
    try {
      accept(await store.turn(request(ended, want, strays)), ended, startedMs);
      if (isGivingBack) offer(queue);
      failures = 0;
    } catch (error) {
      failures++;
      const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** failures) * (0.5 + random.fraction());
      retryAtMs = clock.monotonicMs() + waitMs;
      // Under a lease that was lost meanwhile they count as not ended: others have these jobs.
      if (lease === held) hand.restore(ended);
      line.woken(undefined);
      log.warn({ queue, err: error }, 'a turn on a queue failed; trying again');
    } finally {
      isTurning = false;
      metrics.turned((clock.monotonicMs() - startedMs) / 1000);
    }
    pump();
    plan();
    onSettled?.();
  }

  function accept(answer: Turn, { done, failed }: Ended, startedMs: number): void {
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
    line.read(answer);
    for (const score of answer.released) line.woken(score);
    pace.weighed(answer.jobs.length, answer.payloadLength);
    hand.add(answer.jobs, clock.monotonicMs());
    sweeping.plan(hand.runs.size > 0, lease.endsMs);
    const retryMs = failed.flatMap(({ retry }) => (retry ? [retry.runAtMs] : []));
    if (retryMs.length > 0) deps.scheduled(Math.min(...retryMs));
    if (line.mayHaveMore() && room() <= 0) offer(queue);
  }

  // The end.

  async function settleAll(): Promise<void> {
    while (hand.runs.size > 0 || hand.hasEnded() || isTurning) {
      await new Promise<void>((resolve) => {
        onSettled = resolve;
      });
    }
  }

  return {
    ...{ queue, line, buried, isHungry, stir: plan },
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
        void turn();
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
