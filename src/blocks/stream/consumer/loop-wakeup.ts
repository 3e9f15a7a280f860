/**
 * Wakes one loop: rung by whoever has work for it, however often, and by time.
 */
import type { Clock } from '#base/clock';

export interface LoopWakeup {
  /** Ends the present wait, or the next one. */
  ring(): void;
  /** Until it has been rung since the last wait ended, or `msMax` have passed. @returns whether it was rung */
  wait(msMax: number): Promise<boolean>;
}

/** The wait keeps neither the process alive nor a connection. */
export function createLoopWakeup(clock: Clock): LoopWakeup {
  let isRung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      isRung = true;
      wake?.();
    },
    async wait(msMax) {
      if (!isRung) {
        await new Promise<void>((resolve) => {
          const timer = clock.after(msMax, resolve, 'background');
          wake = () => {
            timer.cancel();
            resolve();
          };
        });
        wake = undefined;
      }
      const wasRung = isRung;
      isRung = false;
      return wasRung;
    },
  };
}
