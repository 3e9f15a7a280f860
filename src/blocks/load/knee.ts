/**
 * The knee: the highest rate of requests that is still answered in time. Found by trying rates, each for a while.
 */
import type { LoadSummary } from './load-shape.ts';

/** When a rate counts as held: this share of what was sent was answered well within this time. */
export interface KneeRule {
  withinMs: number;
  /** 0.99 makes `withinMs` a bound on the 99th percentile. */
  shareMin: number;
}

/** One rate, tried for a while. */
export interface RateTrial {
  ratePerS: number;
  isHeld: boolean;
  /** Share of all requests that were answered well within the rule's time. */
  withinShare: number;
  latencyP50Ms: number;
  latencyP99Ms: number;
  /** Of a core, by the generator's process. */
  generatorShare: number;
}

export interface KneeSearch {
  /** Where to begin, such as the throughput when all connections are always busy. */
  guessPerS: number;
  /** Rates to try, those tried again included. */
  trialsMax: number;
  /** Done when the lowest rate that was not held is at most so many times the highest that was. */
  precision: number;
  /** Whether a rate counts as not held only when it was not held twice: a neighbour on the machine spoils single trials. */
  triesAgain: boolean;
  /** Ends the search early; asked before each trial but the first. */
  isOver?: () => boolean;
}

export interface Knee {
  /** The highest rate that was held; undefined when none was. */
  held: RateTrial | undefined;
  /** The lowest rate above it that was not held; undefined when all were. */
  failed: RateTrial | undefined;
  trials: readonly RateTrial[];
}

/** The first rate, and how far to go up and down while only one side is known; as factors. */
const [FIRST, UP, DOWN] = [0.85, 1.2, 0.6];
/** From here on it is the generator that is measured. */
export const GENERATOR_SHARE_MAX = 0.9;

/** What a load at a rate came to, by the rule. An answer is good with a status below 400. */
export function judgeRate(ratePerS: number, summary: LoadSummary, rule: KneeRule): RateTrial {
  const { planned, outcomes, statuses, latency } = summary;
  const bad = [...statuses].reduce((sum, [status, count]) => (status >= 400 ? sum + count : sum), 0);
  const inTime = latency.shareWithin(rule.withinMs) * outcomes.answered;
  // Which of those in time were bad is not known: all, to be on the safe side.
  const withinShare = planned === 0 ? 0 : Math.max(0, inTime - bad) / planned;
  return {
    ratePerS,
    withinShare,
    isHeld: withinShare >= rule.shareMin,
    latencyP50Ms: latency.atMs(0.5),
    latencyP99Ms: latency.atMs(0.99),
    generatorShare: summary.generatorShare,
  };
}

/** @returns undefined when what is known is precise enough */
function nextRate(
  held: RateTrial | undefined,
  failed: RateTrial | undefined,
  precision: number,
): number | undefined {
  if (held && failed) {
    return failed.ratePerS / held.ratePerS <= precision
      ? undefined
      : Math.sqrt(held.ratePerS * failed.ratePerS);
  }
  return held ? held.ratePerS * UP : (failed?.ratePerS ?? 0) * DOWN;
}

/**
 * Tries rates until the knee lies between two that are close to each other, or `trialsMax` have been tried.
 * @param tryRate runs a load at that rate
 */
export async function findKnee(
  search: KneeSearch,
  tryRate: (ratePerS: number) => Promise<RateTrial>,
): Promise<Knee> {
  const { guessPerS, trialsMax, precision, triesAgain, isOver = () => false } = search;
  const trials: RateTrial[] = [];
  let held: RateTrial | undefined;
  let failed: RateTrial | undefined;
  let ratePerS: number | undefined = guessPerS * FIRST;
  const mayTry = () => trials.length < trialsMax && (trials.length === 0 || !isOver());
  while (ratePerS !== undefined && mayTry()) {
    let trial = await tryRate(ratePerS);
    trials.push(trial);
    if (!trial.isHeld && triesAgain && mayTry()) {
      trial = await tryRate(ratePerS);
      trials.push(trial);
    }
    if (trial.isHeld) held = trial;
    else failed = trial;
    ratePerS = nextRate(held, failed, precision);
  }
  return { held, failed, trials };
}
