/**
 * When a lane sweeps: often while something runs, otherwise only when its lease could have ended.
 */
import type { Clock, Timer } from '#base/clock';

const SWEEP_MS = 100;

export interface SweepTimer {
  /** To be called when either has changed. @param leaseEndsMs on the monotonic clock; undefined without a lease */
  plan(isRunning: boolean, leaseEndsMs: number | undefined): void;
  cancel(): void;
}

/** @param sweep plans anew by itself */
export function createSweepTimer(clock: Clock, sweep: () => void): SweepTimer {
  let timer: Timer | undefined;
  let isSoon = false;

  function run(): void {
    timer = undefined;
    sweep();
  }

  return {
    plan(isRunning, leaseEndsMs) {
      if (!isRunning && (timer || leaseEndsMs === undefined)) return;
      if (timer && isSoon) return;
      timer?.cancel();
      isSoon = isRunning;
      const untilEndMs = (leaseEndsMs ?? 0) - clock.monotonicMs() + 1;
      timer = clock.after(isRunning ? SWEEP_MS : Math.max(SWEEP_MS, untilEndMs), run, 'background');
    },
    cancel: () => timer?.cancel(),
  };
}
