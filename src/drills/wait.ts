import { type Clock, sleep } from '#base/clock';
import { describeError, type LoadstoneError } from '#base/errors';

const POLL_MS = 20;

export interface Patience {
  clock: Clock;
  signal: AbortSignal;
  boundMs: number;
  /** Makes the error for when it took longer, from what was waited for. */
  late: (detail: string) => LoadstoneError;
}

/**
 * Polls until `condition` holds; one that throws does not hold yet.
 * @throws what `late` makes, the signal's reason
 */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { clock, signal, boundMs, late }: Patience,
): Promise<void> {
  const untilMs = clock.monotonicMs() + boundMs;
  let failure = '';
  for (;;) {
    signal.throwIfAborted();
    try {
      if (await condition()) return;
      failure = '';
    } catch (error) {
      failure = `: ${describeError(error)}`;
    }
    if (clock.monotonicMs() > untilMs) throw late(`${what}: not within ${boundMs / 1000} s${failure}`);
    await sleep(clock, POLL_MS, signal);
  }
}
