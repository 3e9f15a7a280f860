/**
 * Waiting in tests, where no signal can be had: asks again until it is so.
 */
import { sleep, systemClock } from '../clock.ts';

/** Far beyond what a busy machine needs: it only names what never came. */
const BOUND_MS = 180_000;
/** Soon at first, then seldom: what takes long should not be slowed down by being asked after. */
const [POLL_MS_MIN, POLL_MS_MAX] = [5, 100];
const POLL_SHARE = 0.1;

/** Asks until the answer is neither false nor undefined, and gives it. A question that throws has no answer yet. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T> | T,
): Promise<Exclude<T, false | undefined>> {
  const beganMs = systemClock.monotonicMs();
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    const waitedMs = systemClock.monotonicMs() - beganMs;
    if (waitedMs > BOUND_MS) throw new Error(`not within ${BOUND_MS} ms: ${what}`, { cause });
    await sleep(systemClock, Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, waitedMs * POLL_SHARE)));
  }
}
