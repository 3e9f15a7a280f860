/**
 * The simplest topology that holds. Topologies are compared by their latest step: shards, then databases for each system,
 * then replicas, then a cache, then standbys, then servers. Of all that pass no limit the least is taken. So a
 * step less always passes a limit, and more users never give a lesser topology.
 */
import { databaseLimits } from '#blocks/database';
import { idLimits } from '#blocks/ids';
import { type Circumstances, isPassed, type Limit, limitsOf, type Topology } from './limits.ts';

/** On one machine: the most that `processes` may be, alone and beside the embedded Postgres. */
const PROCESSES_MAX = 64;
const PROCESSES_EMBEDDED_MAX = 10;

export type StepName = 'processes' | 'servers' | 'standby' | 'cache' | 'replicas' | 'federation' | 'shards';

/** A step taken, and what would be passed without it. */
export interface Step {
  name: StepName;
  text: string;
  reason: string;
}

/** What a person would compare topologies by, latest step first. */
export function rankOf(topology: Topology): number[] {
  const { shards, isFederated, replicas, hasCache, standbys, servers, processes } = topology;
  return [shards, Number(isFederated), replicas, Number(hasCache), standbys, servers, processes];
}

const holds = (circumstances: Circumstances, topology: Topology): boolean =>
  !limitsOf(circumstances, topology).some(isPassed);

/** The least whole number from `low` to `high` with which it holds, where it holds with all above it. */
function leastWith(low: number, high: number, isEnough: (count: number) => boolean): number | undefined {
  if (high < low || !isEnough(high)) return undefined;
  let [least, most] = [low, high];
  while (least < most) {
    const middle = Math.floor((least + most) / 2);
    if (isEnough(middle)) most = middle;
    else least = middle + 1;
  }
  return most;
}

type Databases = Omit<Topology, 'servers' | 'processes'>;

function coresOf({ calibration }: Circumstances): number {
  return Math.min(PROCESSES_MAX, Math.max(1, Math.floor(calibration.machine.cores)));
}

/** These databases with as few servers and processes as hold. */
function fitServers(circumstances: Circumstances, databases: Databases): Topology | undefined {
  const cores = coresOf(circumstances);
  const isOne = databases.shards === 1 && !databases.isFederated && databases.replicas === 0;
  const embeddedMax = Math.min(cores, PROCESSES_EMBEDDED_MAX);
  for (let processes = 1; isOne && processes <= embeddedMax; processes++) {
    const topology = { ...databases, servers: 0, processes };
    if (holds(circumstances, topology)) return topology;
  }
  const withServers = (servers: number) => ({ ...databases, servers, processes: cores });
  const serversMax = Math.floor(idLimits.processesMax / cores);
  const least = leastWith(1, serversMax, (servers) => holds(circumstances, withServers(servers)));
  return least === undefined ? undefined : withServers(least);
}

/** With so many shards: from the simplest on. */
function* databasesOf(circumstances: Circumstances, shards: number, standbys: number): Generator<Databases> {
  for (const isFederated of circumstances.loads.length > 1 ? [false, true] : [false]) {
    for (let replicas = 0; replicas <= databaseLimits.replicasMax; replicas++) {
      yield { shards, isFederated, replicas, hasCache: false, standbys };
      yield { shards, isFederated, replicas, hasCache: true, standbys };
    }
  }
}

/** All that can be had with so many shards. */
function mostWith(circumstances: Circumstances, shards: number, standbys: number): Topology {
  const cores = coresOf(circumstances);
  return {
    shards,
    isFederated: circumstances.loads.length > 1,
    replicas: databaseLimits.replicasMax,
    hasCache: true,
    standbys,
    servers: Math.max(1, Math.floor(idLimits.processesMax / cores)),
    processes: cores,
  };
}

/** Standbys are for availability alone, which nothing else changes. */
function standbysFor(circumstances: Circumstances, any: Topology): number | undefined {
  for (let standbys = 0; standbys <= databaseLimits.standbysMax; standbys++) {
    const limits = limitsOf(circumstances, { ...any, standbys });
    if (!limits.some((limit) => limit.name === 'availability' && isPassed(limit))) return standbys;
  }
  return undefined;
}

const LEAST: Topology = {
  shards: 1,
  isFederated: false,
  replicas: 0,
  hasCache: false,
  standbys: 0,
  servers: 0,
  processes: 1,
};

/** Undefined where none holds. */
export function simplestTopology(circumstances: Circumstances): Topology | undefined {
  const standbys = standbysFor(circumstances, LEAST);
  if (standbys === undefined) return undefined;
  const shards = leastWith(1, databaseLimits.shardsMax, (count) =>
    holds(circumstances, mostWith(circumstances, count, standbys)),
  );
  if (shards === undefined) return undefined;
  for (const databases of databasesOf(circumstances, shards, standbys)) {
    const found = fitServers(circumstances, databases);
    if (found) return found;
  }
  return undefined;
}

/** The limits that even the largest topology passes: why there is none. */
export function whyNone(circumstances: Circumstances): Limit[] {
  const standbys = standbysFor(circumstances, LEAST) ?? databaseLimits.standbysMax;
  const largest = mostWith(circumstances, databaseLimits.shardsMax, standbys);
  return limitsOf(circumstances, largest).filter(isPassed);
}

/** The topology without one step, or with one less of it; undefined where it was not taken. */
export function without(topology: Topology, step: StepName): Topology | undefined {
  const { shards, replicas, standbys, servers, processes } = topology;
  switch (step) {
    case 'shards':
      return shards > 1 ? { ...topology, shards: shards - 1 } : undefined;
    case 'federation':
      return topology.isFederated ? { ...topology, isFederated: false } : undefined;
    case 'replicas':
      return replicas > 0 ? { ...topology, replicas: replicas - 1 } : undefined;
    case 'cache':
      return topology.hasCache ? { ...topology, hasCache: false } : undefined;
    case 'standby':
      return standbys > 0 ? { ...topology, standbys: standbys - 1 } : undefined;
    case 'servers':
      return servers > 0 ? { ...topology, servers: servers - 1 } : undefined;
    case 'processes':
      return servers === 0 && processes > 1 ? { ...topology, processes: processes - 1 } : undefined;
  }
}

function isTaken(topology: Topology, step: StepName): boolean {
  return without(topology, step) !== undefined;
}

/** In the order in which they are taken. */
export const STEPS: readonly StepName[] = [
  'processes',
  'standby',
  'servers',
  'cache',
  'replicas',
  'federation',
  'shards',
];

const count = (of: number, one: string, many = `${one}s`) => `${of} ${of === 1 ? one : many}`;

/** What a step comes to. */
function describeStep(topology: Topology, step: StepName): string {
  switch (step) {
    case 'processes':
      return `${count(topology.processes, 'process', 'processes')} on the server`;
    case 'standby':
      return `${count(topology.standbys, 'standby')} of each database, on ${topology.standbys === 1 ? 'a machine of its own' : 'machines of their own'}`;
    case 'servers':
      return `${count(topology.servers, 'API server')} of ${count(topology.processes, 'process', 'processes')} each, and Postgres on servers of its own`;
    case 'cache':
      return 'a cache that all processes share';
    case 'replicas':
      return `${count(topology.replicas, 'replica')} of each database`;
    case 'federation':
      return 'a database for each system';
    case 'shards':
      return `${topology.shards} shards`;
  }
}

/** The fullest of those that are passed. */
function worst(limits: readonly Limit[]): Limit | undefined {
  return limits.filter(isPassed).sort((a, b) => b.used / b.max - a.used / a.max)[0];
}

/** What was taken, in order, each with the number that would pass its limit without it. */
export function stepsOf(circumstances: Circumstances, topology: Topology): Step[] {
  return STEPS.flatMap((name) => {
    const lesser = without(topology, name);
    if (lesser === undefined) return [];
    const passed = worst(limitsOf(circumstances, lesser));
    const less = isTaken(lesser, name) ? 'with one less' : 'without it';
    const reason = passed ? `${less}: ${passed.text}` : reasonOfServers(circumstances, topology);
    return [{ name, text: describeStep(topology, name), reason }];
  });
}

/** The first API server is there because processes and database together are too much for one server, or are several. */
function reasonOfServers(circumstances: Circumstances, topology: Topology): string {
  const together = { ...topology, servers: 0 };
  const passed = worst(limitsOf(circumstances, together));
  return passed ? `on one server: ${passed.text}` : 'the databases are several';
}
