/**
 * What a drill has found out, as the checks of its scenario and those of all, and the figures beside them. Pure.
 */

import { nothingLeft, recovered, withinBudget } from './checks.ts';
import { everyEffect, goesOn } from './effects.ts';
import { orderedRoutes, staleFresh } from './freshness.ts';
import type { Topology } from './installation/topology.ts';
import type { Outcome } from './linearizability/history.ts';
import type { Attempt, Fate } from './load/attempt.ts';
import type { Check } from './report/result.ts';
import { type FaultWindow, isWithin } from './report/timeline.ts';
import type { Evidence, Scenario } from './scenario.ts';

/**
 * How often the requests of a route ended in each way. `ok`, `refused` and `unknown` are all of them. `failed` is what an
 * error budget counts, of whatever outcome; `shed`: the server answered 429 or 503; `noAnswer`, `notSent` and
 * `generatorLate`: as `Fate` says.
 */
export type RequestCounts = Readonly<Record<string, Readonly<RouteCounts>>>;
type RouteCounts = Record<Outcome | 'failed' | 'shed' | 'noAnswer' | 'notSent' | 'generatorLate', number>;

const COUNTED: Record<Fate, 'noAnswer' | 'notSent' | 'generatorLate' | undefined> = {
  answered: undefined,
  no_answer: 'noAnswer',
  no_connection: 'noAnswer',
  not_sent: 'notSent',
  generator_late: 'generatorLate',
};

/** To ask and to answer on a busy machine. */
const ANSWER_MS = 2500;

export function checksOf(scenario: Scenario, { hasReplicas }: Topology, evidence: Evidence): Check[] {
  const { bounds } = scenario;
  const systems = [...evidence.seen.values()].map(({ system }) => system);
  const isBroken = (atMs: number) =>
    evidence.windows.some(({ fromMs, endMs, recoveredMs }) =>
      isWithin(atMs, fromMs, recoveredMs === undefined ? Number.POSITIVE_INFINITY : endMs),
    );
  return [
    ...everyEffect(evidence, orderedRoutes(systems, hasReplicas)),
    staleFresh(
      evidence,
      ({ staleMs = { well: 0, cut: 0 } }, atMs) => (isBroken(atMs) ? staleMs.cut : staleMs.well) + ANSWER_MS,
    ),
    withinBudget(bounds, evidence),
    recovered(bounds, evidence),
    ...(scenario.checks?.(evidence) ?? []),
    ...(evidence.isOwn ? [nothingLeft(evidence)] : goesOn(evidence)),
  ];
}

/** The longest of all faults; undefined where nothing failed, and where one has not been recovered from. */
export function recoveredMsOf(windows: readonly FaultWindow[]): number | undefined {
  const times = windows.filter(({ failed }) => failed > 0).map(({ recoveredMs }) => recoveredMs);
  if (times.length === 0 || times.includes(undefined)) return undefined;
  return Math.max(...times.map((ms) => ms ?? 0));
}

const NONE: RouteCounts = {
  ...{ ok: 0, refused: 0, unknown: 0, failed: 0 },
  ...{ shed: 0, noAnswer: 0, notSent: 0, generatorLate: 0 },
};

export function countRequests(loaded: readonly Attempt[]): RequestCounts {
  const counts: Record<string, RouteCounts> = {};
  for (const { planned, outcome, fate, status, isFailure } of loaded) {
    const { id } = planned.operation.route;
    const ofRoute = counts[id] ?? { ...NONE };
    counts[id] = ofRoute;
    ofRoute[outcome] += 1;
    if (isFailure) ofRoute.failed += 1;
    if (status === 429 || status === 503) ofRoute.shed += 1;
    const counted = COUNTED[fate];
    if (counted) ofRoute[counted] += 1;
  }
  return counts;
}
