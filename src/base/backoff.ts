/**
 * When to try again. Pure but for the dice.
 */
import type { Random } from './random.ts';

export interface Backoff {
  baseMs: number;
  maxMs: number;
}

/**
 * Doubles with each attempt up to `maxMs`, and spreads over the upper half of that ("equal jitter"), so that what failed
 * together does not come back together.
 * @param attempts how often it has failed, from 1
 */
export function backoffMs({ baseMs, maxMs }: Backoff, attempts: number, random: Random): number {
  const fullMs = Math.min(maxMs, baseMs * 2 ** Math.min(attempts - 1, 40));
  return fullMs * (0.5 + 0.5 * random.fraction());
}
