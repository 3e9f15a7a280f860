/**
 * Keeps one worker number leased for this process: takes it at start, extends its range on time, and takes another when it
 * has been lost. Why no two processes ever issue the same id is argued in README.md.
 */
import { hostname } from 'node:os';
import type { Clock, Timer } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import { type Health, lifecycleErrors } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import { idsErrors } from './errors.ts';
import { ID_TIME_MS_MAX, ID_TIME_MS_MIN, WORKER_MAX } from './layout.ts';
import type { IdsOptions } from './options.ts';
import type { TakenWorker, WorkerLeaseStore } from './store.ts';

export interface IdsDeps {
  clock: Clock;
  random: Random;
  log: Log;
  store: WorkerLeaseStore;
}

/** The right to issue ids of `worker` with floorMs < timeMs ≤ highMs. A renewal raises `highMs` in place. */
export interface Lease extends Readonly<TakenWorker> {
  highMs: number;
}

type State = { kind: 'held'; lease: Lease } | { kind: 'lacking'; reason: string } | { kind: 'closed' };

export interface WorkerLease {
  /** Takes a worker. @throws workers_exhausted, clock_out_of_range, or what the store throws */
  take(signal: AbortSignal): Promise<void>;
  /** @throws worker_lease_lost, stopped */
  current(): Lease;
  /** Renews at once instead of on time, but not more often than it would retry: for a range that has been passed. */
  hurry(): void;
  health(): Health;
  /** Gives the worker back, its range cut to the last millisecond issued. */
  close(lastMs: number, deadline: AbortSignal): Promise<void>;
}

/** Time between attempts while the store cannot be reached or has no worker; jittered by half. */
const RETRY_MS = 1000;

/** @returns the clock's Unix time in whole milliseconds @throws clock_out_of_range */
export function idTimeMs(clock: Clock): number {
  const nowMs = Math.floor(clock.nowMs());
  if (nowMs < ID_TIME_MS_MIN || nowMs > ID_TIME_MS_MAX) {
    throw idsErrors.clock_out_of_range({ detail: `the clock shows ${nowMs} ms after 1970` });
  }
  return nowMs;
}

export function createWorkerLease(
  { leaseMs }: IdsOptions,
  { clock, random, log, store }: IdsDeps,
): WorkerLease {
  const renewEveryMs = Math.floor(leaseMs / 3);
  const holder = `${hostname()}:${process.pid}:${random.bytes(4).toString('hex')}`;
  const closing = new AbortController();
  let state: State = { kind: 'lacking', reason: 'no worker has been taken yet' };
  let timer: Timer | undefined;
  let attempting = false;
  let attemptedMs = Number.NEGATIVE_INFINITY;

  async function release(
    { worker, epoch }: TakenWorker,
    highMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const deadline = createDeadline(clock, renewEveryMs, signal);
    try {
      await withSignal(store.release(worker, epoch, highMs), deadline.signal);
      log.info({ worker, epoch }, 'worker released');
    } catch (error) {
      log.warn(
        { worker, epoch, err: error },
        'worker perhaps not released; it is free again when its range has passed',
      );
    } finally {
      deadline.done();
    }
  }

  async function take(signal: AbortSignal): Promise<void> {
    const nowMs = idTimeMs(clock);
    const highMs = nowMs + leaseMs;
    // The outcome is handled where it arrives: a worker that comes after the caller has given up is given back.
    const taking = store.take({ holder, nowMs, highMs }).then((taken) => {
      if (!taken)
        throw idsErrors.workers_exhausted({
          detail: `none of ${WORKER_MAX + 1} workers is free`,
          retryAfterS: 1,
        });
      if (signal.aborted) return release(taken, taken.floorMs);
      state = { kind: 'held', lease: { ...taken, highMs } };
      log.info({ worker: taken.worker, epoch: taken.epoch }, 'worker leased');
      schedule(renewEveryMs);
    });
    await withSignal(taking, signal);
  }

  async function renew(lease: Lease, signal: AbortSignal): Promise<void> {
    const highMs = idTimeMs(clock) + leaseMs;
    const renewed = await withSignal(store.renew(lease.worker, lease.epoch, highMs), signal);
    if (renewed) {
      lease.highMs = Math.max(lease.highMs, highMs);
      return schedule(renewEveryMs);
    }
    state = { kind: 'lacking', reason: `worker ${lease.worker} has passed to another process` };
    log.error(
      { worker: lease.worker, epoch: lease.epoch },
      'worker lease lost to another process; taking another',
    );
    await take(signal);
  }

  /** One renewal or taking, at most one at a time; never rejects. */
  async function attempt(): Promise<void> {
    if (attempting || state.kind === 'closed') return;
    attempting = true;
    attemptedMs = clock.monotonicMs();
    const deadline = createDeadline(clock, renewEveryMs, closing.signal);
    try {
      await (state.kind === 'held' ? renew(state.lease, deadline.signal) : take(deadline.signal));
    } catch (error) {
      if (closing.signal.aborted) return;
      if (state.kind === 'lacking') state = { kind: 'lacking', reason: describeError(error) };
      log.warn({ err: error }, 'the worker lease could not be renewed or taken; trying again');
      schedule(RETRY_MS * (0.5 + random.fraction()));
    } finally {
      deadline.done();
      attempting = false;
    }
  }

  function schedule(delayMs: number): void {
    timer?.cancel();
    timer = clock.after(delayMs, () => void attempt(), 'background');
  }

  return {
    take,
    current() {
      if (state.kind === 'held') return state.lease;
      if (state.kind === 'closed') throw lifecycleErrors.stopped({ detail: 'ids have been stopped' });
      throw idsErrors.worker_lease_lost({ detail: state.reason, retryAfterS: 1 });
    },
    hurry() {
      if (clock.monotonicMs() - attemptedMs >= RETRY_MS) void attempt();
    },
    health() {
      if (state.kind === 'held') {
        const lateMs = Math.floor(clock.nowMs()) - state.lease.highMs;
        if (lateMs <= 0) return { status: 'ok' };
        return {
          status: 'failing',
          reason: `the range of worker ${state.lease.worker} ended ${lateMs} ms ago`,
        };
      }
      return { status: 'failing', reason: state.kind === 'lacking' ? state.reason : 'ids have been stopped' };
    },
    async close(lastMs, deadline) {
      const held = state.kind === 'held' ? state.lease : undefined;
      state = { kind: 'closed' };
      timer?.cancel();
      closing.abort(lifecycleErrors.stopped({ detail: 'ids have been stopped' }));
      if (held) await release(held, Math.max(held.floorMs, lastMs), deadline);
    },
  };
}
