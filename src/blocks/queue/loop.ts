/**
 * Does something again and again: one run at a time, each a while after the last, none after the stop.
 */
import type { Clock, Timer } from '#base/clock';

export interface Loop {
  begin(inMs?: number): void;
  /** Has the next run come so soon, if it would come later; during a run it is the one after it. */
  hurry(inMs: number): void;
  /** Resolves when nothing of it is under way any more. */
  stop(): Promise<void>;
}

/**
 * @param work gives the milliseconds until it is to be done again
 * @param failed is told what it threw, and gives the same
 */
export function createLoop(
  clock: Clock,
  work: () => Promise<number>,
  failed: (error: unknown) => number,
): Loop {
  let next: { timer: Timer; atMs: number } | undefined;
  let running: Promise<void> | undefined;
  let hurriedMs = Number.POSITIVE_INFINITY;
  let isRunning = false;
  let isStopped = false;

  async function run(): Promise<void> {
    isRunning = true;
    hurriedMs = Number.POSITIVE_INFINITY;
    const inMs = await work().catch(failed);
    isRunning = false;
    if (!isStopped) schedule(Math.min(inMs, hurriedMs - clock.monotonicMs()));
  }

  function schedule(inMs: number): void {
    const timer = clock.after(
      inMs,
      () => {
        next = undefined;
        running = run();
      },
      'background',
    );
    next = { timer, atMs: clock.monotonicMs() + inMs };
  }

  return {
    begin: (inMs = 0) => schedule(inMs),
    hurry(inMs) {
      const atMs = clock.monotonicMs() + inMs;
      if (isRunning) hurriedMs = Math.min(hurriedMs, atMs);
      else if (next && next.atMs > atMs) {
        next.timer.cancel();
        schedule(inMs);
      }
    },
    async stop() {
      isStopped = true;
      next?.timer.cancel();
      await running;
    },
  };
}
