/**
 * Does something again and again: one run at a time, each a while after the last, none after the stop.
 *
 * States:  idle ──begin──▶ waiting ──its time, or hurried──▶ running ──▶ waiting ──▶ …          stopped (from any)
 *                             ▲                                 │ it fails
 *                             └────────── backing off ◀─────────┘ not hurried: what has failed is left alone for a while
 */
import type { Clock, Timer } from './clock.ts';
import { describeError } from './errors.ts';
import { type Health, lifecycleErrors } from './lifecycle.ts';

export interface LoopSteps {
  /** @returns the milliseconds until it is to be done again: 0 at once, infinity not before it is hurried */
  work(): number | Promise<number>;
  /**
   * Told what a run threw, unless that was while stopping.
   * @param failures how many runs have failed in a row, from 1
   * @returns the same, such as `backoffMs(RETRY, failures, random)`
   */
  failed(error: unknown, failures: number): number;
}

export interface Loop {
  /** Aborts when the run under way is to end early. */
  readonly signal: AbortSignal;
  /**
   * Has the first run come in so many milliseconds; once it has begun, as `hurry`. Resolves when the first run has ended,
   * well or not, or never will come.
   */
  begin(inMs?: number): Promise<void>;
  /**
   * Has the next run come so soon, if it would come later; during a run it is the one after it. Nothing before the
   * begin, and while it backs off.
   */
  hurry(inMs?: number): void;
  /** Failing while the last run has failed: `name`, and why. */
  health(name: string): Health;
  isStopping(): boolean;
  /**
   * Resolves when nothing of it is under way any more. What is may go on until `deadline` aborts; without one the signal
   * aborts at once.
   */
  stop(deadline?: AbortSignal): Promise<void>;
}

/** Its waits keep neither the process alive nor a connection. */
export function createLoop(clock: Clock, { work, failed }: LoopSteps): Loop {
  const cutting = new AbortController();
  let state: 'idle' | 'waiting' | 'running' | 'backing_off' | 'stopped' = 'idle';
  let timer: Timer | undefined;
  /** When the next run is due; during a run, when somebody wants the one after it. */
  let dueMs = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  const first = Promise.withResolvers<void>();
  let failures = 0;
  let failure: string | undefined;

  const isStopping = () => state === 'stopped';

  /** @returns the milliseconds until the next run */
  async function runOnce(): Promise<number> {
    dueMs = Number.POSITIVE_INFINITY;
    try {
      const inMs = await work();
      failures = 0;
      failure = undefined;
      return Math.min(inMs, dueMs - clock.monotonicMs());
    } catch (error) {
      if (isStopping()) return 0;
      failures += 1;
      failure = describeError(error);
      return failed(error, failures);
    }
  }

  async function run(): Promise<void> {
    let inMs = 0;
    while (inMs <= 0 && !isStopping()) {
      inMs = await runOnce();
      first.resolve();
    }
    running = undefined;
    if (!isStopping()) wait(failures > 0 ? 'backing_off' : 'waiting', inMs);
  }

  function start(after?: Promise<void>): void {
    state = 'running';
    running = after ? after.then(run) : run();
  }

  function wait(kind: 'waiting' | 'backing_off', inMs: number): void {
    timer?.cancel();
    state = kind;
    dueMs = clock.monotonicMs() + inMs;
    // Not within the call that hurries it, which may hold what a run needs.
    if (inMs <= 0) start(Promise.resolve());
    else if (inMs < Number.POSITIVE_INFINITY) timer = clock.after(inMs, () => start(), 'background');
  }

  function hurry(inMs = 0): void {
    const atMs = clock.monotonicMs() + inMs;
    if (atMs >= dueMs) return;
    if (state === 'running') dueMs = atMs;
    else if (state === 'waiting') wait('waiting', inMs);
  }

  return {
    signal: cutting.signal,
    begin(inMs = 0) {
      if (state === 'idle') wait('waiting', inMs);
      else hurry(inMs);
      return first.promise;
    },
    hurry,
    health: (name) =>
      failure === undefined ? { status: 'ok' } : { status: 'failing', reason: `${name}: ${failure}` },
    isStopping,
    async stop(deadline) {
      state = 'stopped';
      timer?.cancel();
      const cut = () => cutting.abort(lifecycleErrors.stopped());
      if (!deadline || deadline.aborted || !running) cut();
      deadline?.addEventListener('abort', cut, { once: true });
      await running;
      first.resolve();
      deadline?.removeEventListener('abort', cut);
    },
  };
}
