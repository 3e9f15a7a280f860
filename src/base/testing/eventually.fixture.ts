/**
 * Waiting in tests, where no signal can be had: asks again until it is so.
 */
import { sleep, systemClock } from '../clock.ts';

/** Far beyond what a busy machine needs: it only names what never came. */
const BOUND_MS = 180_000;
const POLL_MS = 10;

/** Asks until the answer is neither false nor undefined, and gives it. A question that throws has no answer yet. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T> | T,
): Promise<Exclude<T, false | undefined>> {
  const endMs = systemClock.monotonicMs() + BOUND_MS;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (systemClock.monotonicMs() > endMs) throw new Error(`not within ${BOUND_MS} ms: ${what}`, { cause });
    await sleep(systemClock, POLL_MS);
  }
}
