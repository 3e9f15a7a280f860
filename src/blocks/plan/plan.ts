/**
 * Workload in, topology out: requirements, estimate, the simplest topology that holds, and what of it breaks first. Pure.
 */
import type { Calibration } from './capacity/capacity.ts';
import { type Figure, product, reckoned } from './capacity/figures.ts';
import { demandsOf, type SystemDemand } from './demand.ts';
import {
  availabilityGroups,
  availabilityOf,
  type Circumstances,
  isPassed,
  type Limit,
  limitsOf,
  type Topology,
} from './limits.ts';
import type { SystemModel } from './system-model.ts';
import { type Step, simplestTopology, stepsOf, whyNone } from './topology.ts';
import type { Workload } from './workload.ts';

const TIMES_MORE = 10;
const FACTOR_MAX = 1e6;
const FACTOR_PRECISION = 1.001;

export interface Breaking {
  /** How many times more users the topology bears. */
  factor: number;
  limit: string;
}

export interface Plan {
  name: string | undefined;
  capacity: { label: string; source: string; measuredAt: string; machine: string };
  systems: readonly Pick<SystemDemand, 'name' | 'figures'>[];
  /** Of the whole. */
  figures: readonly Figure[];
  /** Undefined where no topology holds; `unmet` says why. */
  topology: Topology | undefined;
  /** From one server on, in order. */
  steps: readonly Step[];
  limits: readonly Limit[];
  unmet: readonly string[];
  breaksFirst: Breaking | undefined;
  /** Further limits that are passed with ten times the users, and what would then hold. */
  atTenTimes: { passed: readonly string[]; topology: readonly string[] };
  notes: readonly string[];
  /** What of it loadstone.yaml can say today; undefined where no topology holds. */
  configuration: Record<string, unknown> | undefined;
}

export interface PlanDeps {
  calibration: Calibration;
  /** Of the systems that the workload may name. */
  models: readonly SystemModel[];
}

function wholeFigures(
  workload: Workload,
  demands: readonly SystemDemand[],
  topology: Topology | undefined,
): Figure[] {
  const { serverPercent, dependsOnPercents } = workload.availability;
  const { standbys = 0, replicas = 0, shards = 1, servers = 0 } = topology ?? {};
  const bytes = demands.reduce((all, { load }) => all + load.databaseBytes, 0);
  const groups = availabilityGroups({ servers, standbys }).map(({ machines }) =>
    machines === 1
      ? `${serverPercent} %`
      : `(1 − ${[...Array(machines)].map(() => `(1 − ${serverPercent} %)`).join(' × ')})`,
  );
  const others = dependsOnPercents.map((each) => `${each} %`);
  const text = [...groups, ...others].join(' × ');
  const available = Number((availabilityOf(workload, { servers, standbys }) * 100).toPrecision(10));
  return [
    reckoned('availability', '%', available, text),
    product('databases, all copies at the horizon', 'B', bytes, 1 + standbys + replicas),
    product(
      'servers of databases',
      '',
      shards * (topology?.isFederated ? demands.length : 1),
      1 + standbys + replicas,
    ),
  ];
}

/** The least number of times more users with which a limit is passed: found by halving, since all limits only fill up. */
function breaking(workload: Workload, deps: PlanDeps, topology: Topology): Breaking | undefined {
  const passedAt = (factor: number) => {
    const more = scaled(workload, factor);
    return limitsOf(circumstancesOf(more, demandsOf(more, deps.models), deps), topology).filter(isPassed);
  };
  let low = 1;
  let high = 2;
  while (passedAt(high).length === 0) {
    low = high;
    high *= 2;
    if (high > FACTOR_MAX) return undefined;
  }
  while (high / low > FACTOR_PRECISION) {
    const middle = Math.sqrt(low * high);
    if (passedAt(middle).length === 0) low = middle;
    else high = middle;
  }
  const [first] = passedAt(high);
  return first && { factor: high, limit: first.text };
}

function scaled(workload: Workload, times: number): Workload {
  return { ...workload, users: { ...workload.users, daily: workload.users.daily * times } };
}

function atTenTimes(workload: Workload, deps: PlanDeps, topology: Topology | undefined): Plan['atTenTimes'] {
  const more = scaled(workload, TIMES_MORE);
  const circumstances = circumstancesOf(more, demandsOf(more, deps.models), deps);
  const passed = topology === undefined ? [] : limitsOf(circumstances, topology).filter(isPassed);
  const then = simplestTopology(circumstances);
  const taken = then === undefined ? [] : stepsOf(circumstances, then);
  return {
    passed: passed.sort((a, b) => b.used / b.max - a.used / a.max).map(({ text }) => text),
    topology:
      then === undefined
        ? ['no topology of such servers holds']
        : ['one server', ...taken.map(({ text }) => text)],
  };
}

function circumstancesOf(
  workload: Workload,
  demands: readonly SystemDemand[],
  { calibration }: PlanDeps,
): Circumstances {
  return { workload, loads: demands.map(({ load }) => load), calibration };
}

/** What its reader should know of the figures. */
function qualityNotes({ quality }: Calibration): string[] {
  if (quality === undefined) return [];
  const { disturbed, othersShareMax, contradictions } = quality;
  const share = Math.round(othersShareMax * 100);
  return [
    ...(disturbed.length > 0
      ? [
          `While the machine was calibrated, others had up to ${share} % of it (${disturbed.join(', ')}): it can do more than is planned with. Calibrate again where less is going on.`,
        ]
      : []),
    ...contradictions.map((each) => `The calibration contradicts itself: ${each}.`),
  ];
}

/** What the topology needs and the configuration cannot say yet, and what a reader should know. */
function notesOf(
  workload: Workload,
  demands: readonly SystemDemand[],
  topology: Topology | undefined,
): string[] {
  const hasObjects = demands.some(({ load }) => load.operations.some(({ cost }) => cost.objectBytes > 0));
  const custom = Object.keys(workload.custom);
  const notes = [
    custom.length > 0 &&
      `${custom.join(', ')}: add your own systems to \`systems\`, by the paths of their modules.`,
    hasObjects &&
      'Objects are not in the database and need a store of their own, which Loadstone does not bring yet; they count for bandwidth and storage, not for the disks of databases.',
    topology !== undefined &&
      topology.standbys > 0 &&
      'Availability counts standbys on machines of their own, to which somebody promotes at once: a Postgres of yours and its standbys, which Loadstone is given as `database.primary`. An embedded standby (`database.standbys`) is on the machine of its primary: it takes over when the primary or its data is lost, is lost with the machine, and is not counted.',
    topology !== undefined &&
      topology.servers > 0 &&
      'Processes on servers of their own need a Postgres of yours: give each of them its address as `database.primary`, and a load balancer before them.',
    topology?.hasCache === true && 'A cache apart from the processes cannot be configured yet.',
    topology?.isFederated === true &&
      'A database for each system cannot be configured yet: run an installation for each.',
    topology !== undefined &&
      topology.shards > 1 &&
      'Shards cannot be configured yet; every row carries its bucket already.',
  ];
  return notes.filter((note) => note !== false);
}

function configurationOf(
  workload: Workload,
  demands: readonly SystemDemand[],
  topology: Topology,
  models: readonly SystemModel[],
): Record<string, unknown> {
  const known = Object.keys(workload.systems);
  const options = models
    .filter(({ name }) => known.includes(name) && !topology.hasCache)
    .map((model) => {
      const load = demands.find(({ name }) => name === model.name)?.load;
      return [model.name, model.optionsFor?.(load?.hotEntriesInProcess ?? 0) ?? {}] as const;
    })
    .filter(([, given]) => Object.keys(given).length > 0);
  return {
    ...(known.length > 0 ? { systems: known } : {}),
    ...(topology.processes > 1 ? { processes: topology.processes } : {}),
    ...Object.fromEntries(options),
  };
}

/** The plan for a workload, with what each number comes from. */
export function planFor(workload: Workload, deps: PlanDeps): Plan {
  const { calibration, models } = deps;
  const demands = demandsOf(workload, models);
  const circumstances = circumstancesOf(workload, demands, deps);
  const topology = simplestTopology(circumstances);
  const limits = topology === undefined ? [] : limitsOf(circumstances, topology);
  const { cpu, cores, memoryGib } = calibration.machine;
  return {
    name: workload.name,
    capacity: {
      label: calibration.label,
      source: calibration.source,
      measuredAt: calibration.measuredAt,
      machine: `${cpu}, ${cores} cores, ${memoryGib} GiB`,
    },
    systems: demands.map(({ name, figures }) => ({ name, figures })),
    figures: wholeFigures(workload, demands, topology),
    topology,
    steps: topology === undefined ? [] : stepsOf(circumstances, topology),
    limits,
    unmet: topology === undefined ? whyNone(circumstances).map(({ text }) => text) : [],
    breaksFirst: topology && breaking(workload, deps, topology),
    atTenTimes: atTenTimes(workload, deps, topology),
    notes: [...qualityNotes(calibration), ...notesOf(workload, demands, topology)],
    configuration: topology && configurationOf(workload, demands, topology, models),
  };
}
