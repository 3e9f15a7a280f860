/**
 * How long to wait for a wakeup before looking all the same. Looking often is what is done while nobody can tell: it costs
 * a core its hundredth part for each fifty looks a second.
 *
 * States:  deaf: `pollMs` ◀──the listen connection is lost──▶ told: from `LOOK_MS_MIN`, doubling to `lookMsMax`
 *                                                              │  ▲
 *                            a look finds what nobody has told └──┴─ `UNTOLD_MS` later; until then `pollMs`
 */
import { type Clock, togetherMs } from '#base/clock';
import type { Wakeups } from './wakeups.ts';

export interface LookInterval {
  /** To be asked before each wait. */
  nextMs(): number;
  /** Something has happened, so that more may: looks come closer again. */
  stirred(): void;
  /** A look has found what nobody has told of: there is somebody who does not tell, such as a process of an older version. */
  foundUntold(): void;
}

const LOOK_MS_MIN = 1000;
const UNTOLD_MS = 2000;

/** @param pollMs how often who cannot be told looks */
export function createLookInterval(
  { pollMs }: { pollMs: number },
  { clock, wakeups }: { clock: Clock; wakeups: Pick<Wakeups, 'isListening' | 'lookMsMax'> },
): LookInterval {
  let waitMs = LOOK_MS_MIN;
  let untoldMs = Number.NEGATIVE_INFINITY;
  return {
    nextMs() {
      if (!wakeups.isListening() || clock.monotonicMs() - untoldMs < UNTOLD_MS) return pollMs;
      const isIdle = waitMs >= wakeups.lookMsMax;
      const nextMs = isIdle ? togetherMs(clock, wakeups.lookMsMax) : waitMs;
      waitMs = Math.min(waitMs * 2, wakeups.lookMsMax);
      return Math.max(pollMs, nextMs);
    },
    stirred() {
      waitMs = LOOK_MS_MIN;
    },
    foundUntold() {
      untoldMs = clock.monotonicMs();
      waitMs = LOOK_MS_MIN;
    },
  };
}
