/**
 * The processes that serve, kept alive: each has a seat, and a seat whose process dies gets another, with back-off. One
 * that keeps dying is tried again for ever, and takes no other down.
 *
 * A seat:  starting ──ready──▶ serving ──ends──▶ waiting ──back-off──▶ starting
 *                                  └──replace: another is ready──▶ that one serves; the old one drains and ends
 */
import cluster, { type Worker } from 'node:cluster';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { backoffMs } from '#base/backoff';
import { sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { BINDS_FIRST, CHILD_NUMBER, CHILDREN } from './child-messages.ts';
import { type Child, followChild } from './child-process.ts';

export interface ChildrenOptions {
  count: number;
  /** Of the program, for each of them. */
  args: readonly string[];
  /** How long one may take to drain before it is killed. */
  drainMsMax: number;
  /** How long the event loop of one may stand still before it is killed. */
  silentMsMax: number;
}

export interface ChildrenDeps extends Runtime {
  report: (line: string) => void;
  gather: () => Promise<string>;
  /** Told of each one that has ended. */
  onEnded: (child: Child) => void;
}

export interface Children {
  /** Starts the first one and waits until it has the port. @throws child_failed */
  bindFirst(signal: AbortSignal): Promise<void>;
  /** Starts the others, lets all begin, and waits for them. @throws child_failed when one says why it cannot start */
  startAll(signal: AbortSignal): Promise<void>;
  /**
   * Puts another process in each seat, one after the other. Asked for while it does so, it does it once more; asked for
   * while they start, when they have.
   */
  replaceAll(): Promise<void>;
  /** Drains all, and what does not end by the deadline is given up. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Those that live, also while they start and drain. */
  living(): Child[];
  /** How often one has ended that should not have. */
  crashes(): number;
}

interface Seat {
  number: number;
  child: Child;
  /** Settles when an attempt to replace the process has ended. */
  replacing: Promise<void> | undefined;
}

const BACKOFF = { baseMs: 200, maxMs: 10_000 };
/** One that has lived so long counts as sound. */
const STABLE_MS = 30_000;
/** Deaths without a word that the start puts up with, in one seat. */
const START_DEATHS_MAX = 3;

/** Another process of this program; modules that are compiled already are not compiled again. */
function forkWorker(args: readonly string[], environment: Record<string, string>): Worker {
  const cache = getCompileCacheDir();
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ args: [...args] });
  return cluster.fork({
    ...environment,
    ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) }),
  });
}

export function createChildren(options: ChildrenOptions, deps: ChildrenDeps): Children {
  const { silentMsMax } = options;
  const { clock, random, log, report } = deps;
  const stopping = new AbortController();
  const seats: Seat[] = [];
  const all = new Set<Child>();
  const keeping: Promise<void>[] = [];
  let crashes = 0;
  let hasBegun = false;
  /** When all serve, or are being stopped. */
  const started = Promise.withResolvers<void>();
  let replacing: Promise<void> | undefined;
  let isAskedAgain = false;

  function fork(number: number): Child {
    const environment = {
      [CHILDREN]: String(options.count),
      [CHILD_NUMBER]: String(number),
      ...(hasBegun ? {} : { [BINDS_FIRST]: '1' }),
    };
    const child = followChild(forkWorker(options.args, environment), { number, silentMsMax }, deps);
    all.add(child);
    child.ready.then(
      () => report(`process ${number} listens (pid ${child.pid})`),
      () => {},
    );
    void child.exited.then(() => {
      all.delete(child);
      deps.onEnded(child);
    });
    if (hasBegun) child.begin();
    return child;
  }

  /** Waits for the end of whoever has the seat, and for what may take it next. */
  async function ended(seat: Seat): Promise<string | undefined> {
    const { child } = seat;
    const how = await child.exited;
    await seat.replacing;
    return seat.child === child && !stopping.signal.aborted ? how : undefined;
  }

  async function keep(seat: Seat): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const beganMs = clock.monotonicMs();
      const how = await ended(seat);
      if (how === undefined) continue;
      failures = clock.monotonicMs() - beganMs > STABLE_MS ? 1 : failures + 1;
      crashes += 1;
      const delayMs = backoffMs(BACKOFF, failures, random);
      report(`process ${seat.number} (pid ${seat.child.pid}) ${how}; starting another`);
      log.error({ process: seat.number, how, inMs: Math.round(delayMs) }, 'a process has ended');
      await sleep(clock, delayMs, stopping.signal).catch(() => {});
      await seat.replacing;
      if (!stopping.signal.aborted && seat.child.hasExited()) seat.child = fork(seat.number);
    }
  }

  function take(number: number): void {
    seats.push({ number, child: fork(number), replacing: undefined });
  }

  /** Until the seat has a process that serves. One that says why it cannot would say so again. */
  async function settle(seat: Seat): Promise<void> {
    for (let deaths = 1; ; deaths++) {
      const { child } = seat;
      const failure = await child.ready.then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (failure === undefined) return;
      if (child.hasSaidWhy() || deaths === START_DEATHS_MAX || stopping.signal.aborted) throw failure.error;
      log.error({ process: seat.number, err: failure.error }, 'a process has ended while it started');
      await sleep(clock, backoffMs(BACKOFF, deaths, random), stopping.signal);
      seat.child = fork(seat.number);
    }
  }

  async function drain(child: Child, deadline?: AbortSignal): Promise<void> {
    const limit = createDeadline(clock, options.drainMsMax, deadline);
    const giveUp = () => child.stopAtOnce();
    if (limit.signal.aborted) giveUp();
    else limit.signal.addEventListener('abort', giveUp, { once: true });
    child.drain();
    await child.exited;
    limit.done();
  }

  async function replace(seat: Seat, next: Child): Promise<void> {
    await next.ready;
    const old = seat.child;
    seat.child = next;
    await drain(old);
  }

  async function replaceEach(): Promise<void> {
    await started.promise;
    if (stopping.signal.aborted) return;
    isAskedAgain = false;
    const counted = `${seats.length} ${seats.length === 1 ? 'process' : 'processes'}`;
    report(`replacing ${counted}, one by one`);
    for (const seat of seats) {
      if (stopping.signal.aborted) return;
      const next = fork(seat.number);
      const attempt = replace(seat, next);
      seat.replacing = attempt.catch(() => {});
      try {
        await attempt;
      } catch (error) {
        if (stopping.signal.aborted) return;
        const why = `${describeError(error)} (${next.failureCode()})`;
        report(`process ${seat.number} is not replaced, and all go on as they are: ${why}`);
        log.error({ process: seat.number, err: error }, 'a process could not be replaced');
        return;
      }
    }
    report(`replaced ${counted}`);
  }

  function replaceAll(): Promise<void> {
    isAskedAgain = replacing !== undefined;
    replacing ??= replaceEach().finally(() => {
      replacing = undefined;
      if (isAskedAgain && !stopping.signal.aborted) void replaceAll();
    });
    return replacing;
  }

  return {
    async bindFirst(signal) {
      const onAbort = () => seats[0]?.child.kill();
      take(1);
      signal.addEventListener('abort', onAbort, { once: true });
      await seats[0]?.child.bound.finally(() => signal.removeEventListener('abort', onAbort));
    },
    async startAll(signal) {
      hasBegun = true;
      for (const { child } of seats) child.begin();
      for (let number = 2; number <= options.count; number++) take(number);
      const onAbort = () => {
        stopping.abort(signal.reason);
        for (const child of all) void drain(child);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      await Promise.all(seats.map(settle));
      signal.removeEventListener('abort', onAbort);
      keeping.push(...seats.map(keep));
      started.resolve();
    },
    replaceAll,
    async stop(deadline) {
      stopping.abort(new Error('the processes are being stopped'));
      started.resolve();
      await Promise.all([...all].map((child) => drain(child, deadline)));
      await Promise.all([...keeping, replacing]);
    },
    living: () => [...all],
    crashes: () => crashes,
  };
}
