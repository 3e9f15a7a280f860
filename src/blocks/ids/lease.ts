/**
 * Keeps one worker number leased for this process: takes it at start, extends its range on time, and takes
 * another when it has been lost, or when the clock was stepped back so far behind its range that it is of no use. Why no two processes ever issue the same id is argued in README.md.
 */
import { hostname } from 'node:os';
import type { Clock } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import { type Health, lifecycleErrors } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { idsErrors } from './errors.ts';
import { ID_TIME_MS_MAX, ID_TIME_MS_MIN, WORKER_MAX } from './layout.ts';
import type { IdsOptions } from './options.ts';
import type { TakenWorker, WorkerLeaseStore } from './store.ts';

export interface IdsDeps extends Runtime {
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
  /** Undefined where `current` throws. */
  held(): Lease | undefined;
  /**
   * Renews, or takes another, at once instead of on time, but not more often than it would retry: for a range that has
   * been passed, or that the clock has been stepped back behind.
   */
  hurry(): void;
  health(): Health;
  /** Gives the worker back, its range cut to the last millisecond issued. */
  close(deadline: AbortSignal): Promise<void>;
}

/** What whoever issues ids has come to. */
export interface Issued {
  /** The last millisecond of an id. */
  lastMs(): number;
  /** Whether that is so far ahead of the clock that nothing can be issued under this worker. */
  isAhead(): boolean;
}

/** Time between attempts while the store cannot be reached or has no worker; jittered by half. */
const RETRY_MS = 1000;
const NONE_FREE = `none of ${WORKER_MAX + 1} workers is free`;

/** @returns the clock's Unix time in whole milliseconds @throws clock_out_of_range */
export function idTimeMs(clock: Clock): number {
  const nowMs = Math.floor(clock.nowMs());
  if (nowMs < ID_TIME_MS_MIN || nowMs > ID_TIME_MS_MAX) {
    throw idsErrors.clock_out_of_range({ detail: `the clock shows ${nowMs} ms after 1970` });
  }
  return nowMs;
}

/** Does not fail: what is not released is free again after its range. */
async function release(
  { clock, log, store }: IdsDeps,
  { worker, epoch }: TakenWorker,
  highMs: number,
  { limitMs, signal }: { limitMs: number; signal?: AbortSignal },
): Promise<void> {
  const deadline = createDeadline(clock, limitMs, signal);
  try {
    await withSignal(store.release(worker, epoch, highMs), deadline.signal);
    log.info({ worker, epoch }, 'worker released');
  } catch (error) {
    log.warn({ worker, epoch, err: error }, 'worker perhaps not released; free again after its range');
  } finally {
    deadline.done();
  }
}

export function createWorkerLease({ leaseMs }: IdsOptions, deps: IdsDeps, issued: Issued): WorkerLease {
  const { clock, random, log, store } = deps;
  const renewEveryMs = Math.floor(leaseMs / 3);
  const holder = `${hostname()}:${process.pid}:${random.bytes(4).toString('hex')}`;
  let state: State = { kind: 'lacking', reason: 'no worker has been taken yet' };
  let keptMs = Number.NEGATIVE_INFINITY;
  const loop = createLoop(clock, { work: keepInTime, failed });

  async function take(signal: AbortSignal): Promise<void> {
    const nowMs = idTimeMs(clock);
    const highMs = nowMs + leaseMs;
    // The outcome is handled where it arrives: a worker that comes after the caller has given up is given
    // back.
    const taking = store.take({ holder, nowMs, highMs }).then((taken) => {
      if (!taken) throw idsErrors.workers_exhausted({ detail: NONE_FREE, retryAfterS: 1 });
      if (signal.aborted) return release(deps, taken, taken.floorMs, { limitMs: renewEveryMs });
      const left = state.kind === 'held' ? state.lease : undefined;
      // In this order, with nothing in between: once the new one is there, nothing is issued under the one that is left.
      const lastMs = issued.lastMs();
      state = { kind: 'held', lease: { ...taken, highMs } };
      if (left) void release(deps, left, Math.max(left.floorMs, lastMs), { limitMs: renewEveryMs });
      log.info({ worker: taken.worker, epoch: taken.epoch }, 'worker leased');
    });
    await withSignal(taking, signal);
  }

  async function keep(signal: AbortSignal): Promise<void> {
    if (state.kind !== 'held') return take(signal);
    const { lease } = state;
    if (issued.isAhead()) {
      log.warn(
        { worker: lease.worker },
        'the clock has stepped back behind the last id; taking another worker',
      );
      return take(signal);
    }
    const highMs = idTimeMs(clock) + leaseMs;
    if (await withSignal(store.renew(lease.worker, lease.epoch, highMs), signal)) {
      lease.highMs = Math.max(lease.highMs, highMs);
      return;
    }
    state = { kind: 'lacking', reason: `worker ${lease.worker} has passed to another process` };
    log.error({ worker: lease.worker, epoch: lease.epoch }, 'worker lost to another process; taking another');
    await take(signal);
  }

  async function keepInTime(): Promise<number> {
    keptMs = clock.monotonicMs();
    const deadline = createDeadline(clock, renewEveryMs, loop.signal);
    await keep(deadline.signal).finally(deadline.done);
    return renewEveryMs;
  }

  function failed(error: unknown): number {
    if (state.kind === 'lacking') state = { kind: 'lacking', reason: describeError(error) };
    log.warn({ err: error }, 'the worker lease could not be renewed or taken; trying again');
    return RETRY_MS * (0.5 + random.fraction());
  }

  return {
    async take(signal) {
      await take(signal);
      loop.begin(renewEveryMs);
    },
    current() {
      if (state.kind === 'held') return state.lease;
      if (state.kind === 'closed') throw lifecycleErrors.stopped({ detail: 'ids have been stopped' });
      throw idsErrors.worker_lease_lost({ detail: state.reason, retryAfterS: 1 });
    },
    held: () => (state.kind === 'held' ? state.lease : undefined),
    hurry() {
      if (clock.monotonicMs() - keptMs >= RETRY_MS) loop.hurry();
    },
    health: () => leaseHealth(state, clock),
    async close(deadline) {
      const held = state.kind === 'held' ? state.lease : undefined;
      state = { kind: 'closed' };
      await loop.stop();
      if (!held) return;
      const highMs = Math.max(held.floorMs, issued.lastMs());
      await release(deps, held, highMs, { limitMs: renewEveryMs, signal: deadline });
    },
  };
}

function leaseHealth(state: State, clock: Clock): Health {
  if (state.kind === 'lacking') return { status: 'failing', reason: state.reason };
  if (state.kind === 'closed') return { status: 'failing', reason: 'ids have been stopped' };
  const { worker, highMs } = state.lease;
  const lateMs = Math.floor(clock.nowMs()) - highMs;
  if (lateMs <= 0) return { status: 'ok' };
  return { status: 'failing', reason: `the range of worker ${worker} ended ${lateMs} ms ago` };
}
