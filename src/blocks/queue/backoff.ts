/**
 * How long a failed job waits. Exponential, with half of it by chance ("equal jitter"): a thousand jobs that failed
 * together come back over half the wait rather than at once, and none comes back at once as with full jitter.
 */
import type { Random } from '#base/random';

export interface Backoff {
  backoffBaseMs: number;
  backoffMaxMs: number;
}

/** @param attempts that have failed, at least 1 */
export function backoffMs(
  { backoffBaseMs, backoffMaxMs }: Backoff,
  attempts: number,
  random: Random,
): number {
  const whole = Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(attempts - 1, 40));
  return Math.ceil(whole / 2 + (whole / 2) * random.fraction());
}
