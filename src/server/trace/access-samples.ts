/**
 * Which answers get a line in the access log. Those to callers with a key: all, but of what raw routes answer one in so
 * many. What a caller without a key can cause at will (an unknown code, a wrong address, a refusal): so many lines a second
 * and status, and each says how many it left out since the one before; an attacker would fill the disk otherwise. Metrics
 * count all of them.
 */
import type { Clock } from '#base/clock';

/** What the line of a sampled answer says of the others. */
export interface Sampled {
  sampledEvery?: number;
  leftOut?: number;
}

export interface AccessSamples {
  /** Undefined when the answer has no line. */
  sample(answer: { status: number; isRaw: boolean; hasCaller: boolean }): Sampled | undefined;
}

interface Budget {
  sinceMs: number;
  lines: number;
  leftOut: number;
}

const WINDOW_MS = 1000;
const ALL: Sampled = {};

export function createAccessSamples(
  options: { rawSampleEvery: number; anonymousLinesPerSMax: number },
  { clock }: { clock: Clock },
): AccessSamples {
  const { rawSampleEvery, anonymousLinesPerSMax } = options;
  let done = 0;
  /** As many as there are statuses. */
  const budgets = new Map<number, Budget>();

  function oneOfMany(): Sampled | undefined {
    done += 1;
    if (done < rawSampleEvery || rawSampleEvery === 0) return undefined;
    done = 0;
    return { sampledEvery: rawSampleEvery };
  }

  function withinBudget(status: number): Sampled | undefined {
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
  }

  return {
    sample({ status, isRaw, hasCaller }) {
      if (isRaw && status < 400) return oneOfMany();
      return hasCaller ? ALL : withinBudget(status);
    },
  };
}
