/**
 * Which answers get a line in the access log. Redirects: one in so many. What a caller without a key can cause at will (an
 * unknown code, a wrong address, a refusal): so many lines a second and status, and each says how many it left out since the
 * one before; an attacker would fill the disk otherwise. Metrics count all of them.
 */
import type { Clock } from '#base/clock';

export interface AccessSamples {
  /** For a redirect: what its line says of the others; undefined when it has none. */
  redirect(): { sampledEvery: number } | undefined;
  /** For an answer to somebody who has shown no key. */
  anonymous(status: number): { leftOut?: number } | undefined;
}

interface Budget {
  sinceMs: number;
  lines: number;
  leftOut: number;
}

const WINDOW_MS = 1000;

export function createAccessSamples(
  options: { hotSampleEvery: number; anonymousLinesPerSMax: number },
  { clock }: { clock: Clock },
): AccessSamples {
  const { hotSampleEvery, anonymousLinesPerSMax } = options;
  let redirects = 0;
  /** As many as there are statuses. */
  const budgets = new Map<number, Budget>();

  return {
    redirect() {
      redirects += 1;
      if (redirects < hotSampleEvery || hotSampleEvery === 0) return undefined;
      redirects = 0;
      return { sampledEvery: hotSampleEvery };
    },
    anonymous(status) {
      const nowMs = clock.monotonicMs();
      let budget = budgets.get(status);
      if (budget === undefined) {
        budget = { sinceMs: nowMs, lines: 0, leftOut: 0 };
        budgets.set(status, budget);
      }
      if (nowMs - budget.sinceMs >= WINDOW_MS) {
        budget.sinceMs = nowMs;
        budget.lines = 0;
      }
      if (budget.lines >= anonymousLinesPerSMax) {
        budget.leftOut += 1;
        return undefined;
      }
      budget.lines += 1;
      const { leftOut } = budget;
      budget.leftOut = 0;
      return leftOut === 0 ? {} : { leftOut };
    },
  };
}
