/**
 * What a cache does by itself while it is started: it hears of changes, and lets go of what is over.
 */
import { type Clock, type Timer, togetherMs } from '#base/clock';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Follower, InvalidationBus } from './bus.ts';
import type { Trust } from './trust.ts';

export interface BeatDeps {
  clock: Clock;
  bus: InvalidationBus | undefined;
  follower: Follower;
  trust: Trust;
  /** Everything kept may have changed. */
  distrust(): void;
  sweep(): void;
  /** Writes what waits to be written. */
  close(deadline: AbortSignal): Promise<void>;
}

/** Starts with trust in nothing that was kept before. */
export function createBeat(
  name: string,
  { sweepEveryMs }: { sweepEveryMs: number },
  { clock, bus, follower, trust, distrust, sweep, close }: BeatDeps,
): Lifecycle {
  let timer: Timer | undefined;
  let unfollow: (() => void) | undefined;

  function beat(): void {
    if (trust.hasSlept()) distrust();
    sweep();
    timer = clock.after(togetherMs(clock, sweepEveryMs), beat, 'background');
  }

  return createLifecycle(`cache ${name}`, {
    async start() {
      unfollow = await bus?.follow(follower);
      if (bus) distrust();
      timer = clock.after(togetherMs(clock, sweepEveryMs), beat, 'background');
    },
    async stop(deadline) {
      timer?.cancel();
      try {
        await close(deadline);
      } finally {
        unfollow?.();
      }
    },
  });
}
