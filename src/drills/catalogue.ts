/**
 * The scenarios there are.
 */
import type { Scenario } from './scenario.ts';
import { backPressure } from './scenarios/back-pressure.ts';
import { clockSteps } from './scenarios/clock-steps.ts';
import { crashPoints } from './scenarios/crash-points.ts';
import { databaseKilled } from './scenarios/database-killed.ts';
import { diskFull } from './scenarios/disk-full.ts';
import { networkBad } from './scenarios/network-bad.ts';
import { networkCut } from './scenarios/network-cut.ts';
import { primaryLost } from './scenarios/primary-lost.ts';
import { processDies } from './scenarios/process-dies.ts';
import { quick } from './scenarios/quick.ts';
import { serverDies } from './scenarios/server-dies.ts';
import { workersDown } from './scenarios/workers-down.ts';

/** In the order in which `all` runs them. */
export const scenarios: readonly Scenario[] = [
  processDies,
  serverDies,
  workersDown,
  databaseKilled,
  primaryLost,
  networkCut,
  networkBad,
  backPressure,
  diskFull,
  crashPoints,
  clockSteps,
];

const ALL = 'all';

/** What `loadstone drill` takes. */
export const drillNames: readonly string[] = [...scenarios.map(({ name }) => name), quick.name, ALL];

/** The scenario of that name, or each for `all`; none for a name that is not known. */
export function findScenarios(name: string): readonly Scenario[] {
  return name === ALL ? scenarios : [...scenarios, quick].filter((scenario) => scenario.name === name);
}
