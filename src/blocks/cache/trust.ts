/**
 * Whether changes made elsewhere are heard here. While they are not, what is kept was perhaps changed.
 *
 *   heard ──nothing for heartbeatMsMax──▶ silent: a value is given only if it was read within heartbeatMsMax
 *     └──something was missed, or the machine slept──▶ heard: what was read before is read anew before it is given
 */
import type { Clock } from '#base/clock';
import type { InvalidationBus } from './bus.ts';

export interface Trust {
  /** Whether what is kept may be given without looking at when it was read. */
  isHeard(nowMs: number): boolean;
  /** What was read then or before is not to be given without reading it anew. */
  afterMs(nowMs: number): number;
  /** Everything that was read until now may have changed. */
  lose(): void;
  /** Looks whether the machine slept: then the clock by which values age stood still. */
  hasSlept(): boolean;
}

/** By which wall clock and monotonic clock may part between two looks. */
const SLEPT_MS_MIN = 1000;

/** @param options how long silence is no reason for doubt */
export function createTrust(
  { heartbeatMsMax }: { heartbeatMsMax: number },
  { clock, bus }: { clock: Clock; bus?: Pick<InvalidationBus, 'heardMs'> | undefined },
): Trust {
  let lostMs = Number.NEGATIVE_INFINITY;
  const apartMs = () => clock.nowMs() - clock.monotonicMs();
  let knownApartMs = apartMs();
  const isHeard = (nowMs: number) => bus === undefined || nowMs - bus.heardMs() <= heartbeatMsMax;
  return {
    isHeard,
    afterMs: (nowMs) => (isHeard(nowMs) ? lostMs : Math.max(lostMs, nowMs - heartbeatMsMax)),
    lose() {
      lostMs = clock.monotonicMs();
    },
    hasSlept() {
      const sleptMs = apartMs() - knownApartMs;
      knownApartMs += sleptMs;
      return sleptMs >= SLEPT_MS_MIN;
    },
  };
}
