/**
 * At which rate to drill: a share of what the servers hold on this machine now, found by a short ramp before anything is
 * broken. A fixed rate says nothing on a machine that does not hold it: at 250 requests/s on two cores that two other
 * processes kept busy, 86 % of the requests failed and recovery took 41 s. Nor does a calibration tell what the machine
 * holds while others use it, so none is asked.
 */
import type { Clock } from '#base/clock';
import { seededRandom } from '#base/random';
import { createLoad } from '#blocks/load';
import { drillErrors } from './errors.ts';
import type { Attempt } from './load/attempt.ts';
import type { Scenario } from './scenario.ts';
import type { Workload } from './workload.ts';

/** Of the highest rate that is held: with a process less, or after an outage with all that has waited, twice as much comes. */
const HELD_SHARE = 0.35;
/** The ramp, as shares of the rate that the scenario would have at most. */
const STEPS = [0.125, 0.25, 0.5, 1];
/** A step from the least rate that is smaller is left out. */
const STEP_MIN = 1.3;
const STEP_MS = 1500;
/**
 * A rate is held when all but so many of its requests are answered well within this time. One that is a third more than can be
 * answered is not: by the end of a step its requests wait for longer.
 */
const [WITHIN_MS, SLOW_SHARE_MAX] = [500, 0.02];
/** Of a few requests, two may be slow for whatever reason. */
const SLOW_MIN = 2;
/** A rate that is not held is tried again: the first answers of a server are slow, and neighbours come and go. */
const TRIES = 3;
const TIMEOUT_MS = 2000;
/** By default a drill with fewer requests than these shows nothing. */
export const RATE_PER_S_MIN = 10;

export interface FoundRate {
  ratePerS: number;
  /** The highest rate of the ramp that was held. */
  heldPerS: number;
}

/** Pure: whether a rate was held, by what became of its requests. */
export function isHeld(
  attempts: readonly Pick<Attempt, 'isFailure' | 'fate' | 'intendedMs' | 'endedMs'>[],
): boolean {
  const slow = attempts.filter(
    ({ isFailure, fate, intendedMs, endedMs }) =>
      isFailure || fate !== 'answered' || endedMs - intendedMs > WITHIN_MS,
  );
  const slowMax = Math.max(SLOW_MIN, attempts.length * SLOW_SHARE_MAX);
  return attempts.length > SLOW_MIN * 2 && slow.length <= slowMax;
}

/**
 * Pure: goes up a ramp until a rate is not held, and then sees that the rate of the drill is: what a rate that was too high has
 * left behind must be worked off before anything is broken.
 * @param holds whether a rate is held when it is tried once
 * @returns undefined where not even the least is held
 */
export async function climb(
  { ratePerS: most, ratePerSMin = RATE_PER_S_MIN }: Pick<Scenario, 'ratePerS' | 'ratePerSMin'>,
  holds: (ratePerS: number) => Promise<boolean>,
): Promise<FoundRate | undefined> {
  const least = Math.min(ratePerSMin, most);
  const shares = STEPS.map((share) => share * most).filter((rate) => rate > least * STEP_MIN);
  const rates = [least, ...shares].map((rate) => rate / HELD_SHARE);
  async function isHeldOnce(ratePerS: number): Promise<boolean> {
    for (let left = TRIES; left > 0; left--) if (await holds(ratePerS)) return true;
    return false;
  }

  let heldPerS: number | undefined;
  let isAtTop = true;
  for (const rate of rates) {
    isAtTop = await isHeldOnce(rate);
    if (!isAtTop) break;
    heldPerS = rate;
  }
  if (heldPerS === undefined) return undefined;
  let ratePerS = Math.max(1, Math.round(heldPerS * HELD_SHARE));
  while (!isAtTop && !(await isHeldOnce(ratePerS))) {
    if (ratePerS <= least) return undefined;
    ratePerS = Math.max(least, Math.floor(ratePerS / 2));
  }
  return { heldPerS, ratePerS };
}

/**
 * The requests of the ramp are made like those of the load: what they have acknowledged is checked in the end as well.
 * @throws drill_machine_busy, the signal's reason
 */
export async function findRate(
  { scenario, seed }: { scenario: Scenario; seed: number },
  { origin, workload }: { origin: string; workload: Workload },
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<FoundRate> {
  const random = seededRandom(seed + 2);
  async function holds(ratePerS: number): Promise<boolean> {
    const before = workload.attempts.length;
    const load = createLoad(
      {
        ...{ origin, connections: scenario.connections, arrivals: 'poisson' },
        ...{ ratePerS, durationMs: STEP_MS, timeoutMs: TIMEOUT_MS },
        pendingMax: Math.ceil((ratePerS * WITHIN_MS) / 1000),
      },
      { clock, random, next: workload.next, onAnswer: workload.answered },
    );
    await load.run(signal);
    signal.throwIfAborted();
    return isHeld(workload.attempts.slice(before));
  }
  const found = await climb(scenario, holds);
  if (found) return found;
  throw drillErrors.drill_machine_busy({
    detail: `not even the lowest rate at which ${scenario.name} shows anything was answered within ${WITHIN_MS} ms`,
  });
}
