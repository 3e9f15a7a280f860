/**
 * Which limits a topology has under a load, and how full each is. Every share grows with the load and shrinks, or stays,
 * with a step more: so the least topology that holds is well defined.
 */
import { databaseLimits } from '#blocks/database';
import { idLimits } from '#blocks/ids';
import { inParallel, inSeries } from './availability.ts';
import type { Calibration } from './capacity/capacity.ts';
import { type Rates, type RequestKind, ratesOf, ratesOfRoute } from './capacity/rates.ts';
import type { OperationDemand, SystemLoad } from './demand.ts';
import { parseBytes } from './units.ts';
import type { Workload } from './workload.ts';

/** Of the knee, at peak: what is left is for a peak above the peak, and for a server that is away. */
export const RATE_SHARE_MAX = 0.6;
/** Of the disk: a rebuild and a base backup need room. */
export const DISK_SHARE_MAX = 0.8;
/** What V8 lets the heap of a process grow to: a quarter of the memory, at most this. Half of it may be redirects. */
const HEAP_BYTES_MAX = 4e9;
const HEAP_MEMORY_SHARE = 0.25;
const HEAP_CACHE_SHARE = 0.5;
/** The most answers that a process keeps, of all systems. */
const CACHE_ENTRIES_MAX = 10_000_000;
const BITS = 8;

/** One server runs all, unless `servers` run the processes and the databases have servers of their own. */
export interface Topology {
  shards: number;
  /** Each system has databases of its own. */
  isFederated: boolean;
  /** Of each database, besides standbys. */
  replicas: number;
  hasCache: boolean;
  /** Each on a machine of its own: one on the machine of its primary is lost with it, and is not counted. */
  standbys: number;
  /** 0: the processes run beside the database. */
  servers: number;
  /** On each server. */
  processes: number;
}

export type LimitName =
  | 'server'
  | 'api servers'
  | 'primary'
  | 'replicas'
  | 'disk'
  | 'network'
  | 'relay'
  | 'queue'
  | 'processes'
  | 'availability'
  | 'latency';

export interface Limit {
  name: LimitName;
  /** How much is used, as what `max` is. */
  used: number;
  max: number;
  /** `the primary at 83 % of its knee`. */
  text: string;
  /** Whether it grows as the users do. */
  grows: boolean;
}

export interface Circumstances {
  workload: Workload;
  loads: readonly SystemLoad[];
  calibration: Calibration;
}

const percent = (share: number) => `${Number((share * 100).toPrecision(3)).toLocaleString('en-US')} %`;

/** By what was measured of the operation itself, or else of its kind of request. What caches answer goes by kind. */
function ratesFor(calibration: Calibration, operation: OperationDemand, isHit: boolean): Rates {
  const own = calibration.systems?.[operation.system]?.[operation.name];
  if (own !== undefined && !isHit) return ratesOfRoute(calibration, own);
  return ratesOf(calibration, kindOf(operation, isHit));
}

function kindOf({ cost }: OperationDemand, isHit: boolean): RequestKind {
  if (cost.kind === 'write') return 'create';
  if (cost.isHot) return isHit ? 'redirectHit' : 'redirectMiss';
  return isHit ? 'cachedRead' : 'read';
}

/**
 * The share of the hot set that each process can keep, 0 to 1. Hits are taken to be spread evenly over the hot set, which is
 * less than an eviction by use makes of it.
 */
function keptShare(loads: readonly SystemLoad[], workload: Workload, { processes }: Topology): number {
  const sumOf = (of: (load: SystemLoad) => number) => loads.reduce((all, load) => all + of(load), 0);
  const bytes = sumOf(({ hotBytesInProcess }) => hotBytesInProcess);
  const entries = sumOf(({ hotEntriesInProcess }) => hotEntriesInProcess);
  if (entries === 0) return 1;
  const heap = parseBytes(workload.machine.memoryBytes) * HEAP_MEMORY_SHARE;
  const room = Math.min(Math.min(heap, HEAP_BYTES_MAX) * HEAP_CACHE_SHARE, heap / processes);
  return Math.min(1, room / bytes, CACHE_ENTRIES_MAX / entries);
}

/** Share of an operation's reads that need no database. */
function hitsOf(operation: OperationDemand, topology: Topology, kept: number): number {
  const { cost, hitShare } = operation;
  if (topology.hasCache) return hitShare;
  return cost.isCachedInProcess ? hitShare * kept : 0;
}

/** How busy a server is with all operations: each takes the share that its rate is of `rateOf`. */
function busy(
  { loads, workload, calibration }: Circumstances,
  topology: Topology,
  rateOf: (rates: Rates) => number,
): number {
  const kept = keptShare(loads, workload, topology);
  return loads
    .flatMap(({ operations }) => operations)
    .reduce((all, operation) => {
      const hits = operation.peakPerS * hitsOf(operation, topology, kept);
      const misses = operation.peakPerS - hits;
      const rate = (isHit: boolean) => rateOf(ratesFor(calibration, operation, isHit));
      return all + hits / rate(true) + misses / rate(false);
    }, 0);
}

/** How busy one database would be with all that caches leave to it. */
function databaseShare(
  { calibration, loads, workload }: Circumstances,
  topology: Topology,
  only: 'all' | 'replicated',
) {
  const kept = keptShare(loads, workload, topology);
  return loads
    .flatMap(({ operations }) => operations)
    .filter(({ cost }) => only === 'all' || (cost.kind === 'read' && cost.consistency !== 'strong'))
    .reduce((all, operation) => {
      const misses = operation.peakPerS * (1 - hitsOf(operation, topology, kept));
      return all + misses / ratesFor(calibration, operation, false).database;
    }, 0);
}

function rateLimit(name: LimitName, used: number, what: string): Limit {
  const text = `${what} at ${percent(used)} of what it can do; planned are at most ${percent(RATE_SHARE_MAX)}`;
  return { name, used, max: RATE_SHARE_MAX, text, grows: true };
}

/** The limits of one database of each group: of all systems together, or of each system. */
function databaseLimitsOf(circumstances: Circumstances, topology: Topology): Limit[] {
  const { workload, calibration } = circumstances;
  const groups = topology.isFederated ? circumstances.loads.map((load) => [load]) : [circumstances.loads];
  const disk = parseBytes(workload.machine.diskBytes);
  return groups.flatMap((loads): Limit[] => {
    const group = { ...circumstances, loads };
    const whose = topology.isFederated ? ` of ${loads[0]?.name}` : '';
    const all = databaseShare(group, topology, 'all') / topology.shards;
    const movable = databaseShare(group, topology, 'replicated') / topology.shards;
    const primary = topology.replicas > 0 ? all - movable : all;
    // What a replica replays is charged as much as the primary paid for it, which is more than it costs.
    const writes = (databaseShare(group, topology, 'all') - readShare(group, topology)) / topology.shards;
    const rows = loads.reduce((sum, load) => sum + load.databaseBytes, 0) / topology.shards;
    const bytes = rows + databaseLimits.walBytesKept;
    const sumOf = (of: (load: SystemLoad) => number) =>
      loads.reduce((sum, load) => sum + of(load), 0) / topology.shards;
    return [
      ...(topology.servers > 0 ? [rateLimit('primary', primary, `a primary${whose}`)] : []),
      ...(topology.replicas > 0
        ? [rateLimit('replicas', movable / topology.replicas + writes, `a replica${whose}`)]
        : []),
      {
        name: 'disk',
        used: bytes / disk,
        max: DISK_SHARE_MAX,
        text: `the disk of a database${whose} at ${percent(bytes / disk)}; planned are at most ${percent(DISK_SHARE_MAX)}`,
        grows: true,
      },
      rateLimit(
        'relay',
        sumOf((load) => load.eventsPerS) / calibration.blocks.events.perS,
        `the relay${whose}`,
      ),
      rateLimit('queue', sumOf((load) => load.jobsPerS) / calibration.blocks.jobs.perS, `the queue${whose}`),
    ];
  });
}

function readShare(circumstances: Circumstances, topology: Topology): number {
  const loads = circumstances.loads.map((load) => ({
    ...load,
    operations: load.operations.filter(({ cost }) => cost.kind === 'read'),
  }));
  return databaseShare({ ...circumstances, loads }, topology, 'all');
}

function serverLimits(circumstances: Circumstances, topology: Topology): Limit[] {
  const { loads, workload } = circumstances;
  const { servers, processes } = topology;
  const flow = Math.max(
    loads.reduce((sum, { bytesInPerS }) => sum + bytesInPerS, 0),
    loads.reduce((sum, { bytesOutPerS }) => sum + bytesOutPerS, 0),
  );
  const network = (flow * BITS) / workload.machine.networkBitsPerS / Math.max(1, servers);
  const share =
    servers === 0
      ? busy(circumstances, topology, (rates) => rates.together(processes))
      : busy(circumstances, topology, ({ api }) => api) / servers;
  const inAll = Math.max(1, servers) * processes;
  return [
    servers === 0
      ? rateLimit('server', share, 'the server')
      : rateLimit('api servers', share, 'an API server'),
    rateLimit('network', network, 'the network of a server'),
    {
      name: 'processes',
      used: inAll,
      max: idLimits.processesMax,
      text: `${inAll} processes; ids allow ${idLimits.processesMax}`,
      grows: false,
    },
  ];
}

function latencyLimit({ workload, loads }: Circumstances, topology: Topology): Limit[] {
  const { targetMeanMs, hitMs, missMs } = workload.latency;
  if (targetMeanMs === undefined) return [];
  const kept = keptShare(loads, workload, topology);
  const reads = loads.flatMap(({ operations }) => operations).filter(({ cost }) => cost.kind === 'read');
  const perS = reads.reduce((sum, { peakPerS }) => sum + peakPerS, 0);
  const hits = reads.reduce((sum, read) => sum + read.peakPerS * hitsOf(read, topology, kept), 0);
  if (perS === 0) return [];
  const share = hits / perS;
  const mean = Number((share * hitMs + (1 - share) * missMs).toPrecision(12));
  const text = `reads take ${Number(mean.toPrecision(4))} ms on average; wanted are ${targetMeanMs} ms`;
  return [{ name: 'latency', used: mean, max: targetMeanMs, text, grows: false }];
}

/** So many machines, each of which can do what all of them do, and fails for itself. */
export interface AvailabilityGroup {
  what: string;
  machines: number;
}

/**
 * The groups of machines that are all needed. Without API servers the processes are beside the database, so that a machine
 * with a standby can take the place of the first with all that it does.
 */
export function availabilityGroups({
  servers,
  standbys,
}: Pick<Topology, 'servers' | 'standbys'>): AvailabilityGroup[] {
  const machines = standbys + 1;
  if (servers === 0) return [{ what: 'server', machines }];
  return [
    { what: 'database server', machines },
    { what: 'API server', machines: servers },
  ];
}

/** What its machines come to, in series with what the workload depends on. */
export function availabilityOf(
  { availability }: Workload,
  topology: Pick<Topology, 'servers' | 'standbys'>,
): number {
  const server = availability.serverPercent / 100;
  const groups = availabilityGroups(topology).map(({ machines }) =>
    inParallel(Array.from({ length: machines }, () => server)),
  );
  return inSeries([...groups, ...availability.dependsOnPercents.map((each) => each / 100)]);
}

function describeGroup({ what, machines }: AvailabilityGroup): string {
  return machines === 1 ? `one ${what} alone` : `${machines} ${what}s any of which will do`;
}

function availabilityLimit({ workload }: Circumstances, topology: Topology): Limit {
  const away = (share: number) => Number((1 - share).toPrecision(10));
  const reached = availabilityOf(workload, topology);
  const { targetPercent } = workload.availability;
  const shown = Number((reached * 100).toPrecision(9));
  const who = availabilityGroups(topology).map(describeGroup).join(' and ');
  const verb = topology.servers === 0 && topology.standbys === 0 ? 'is' : 'are';
  return {
    name: 'availability',
    used: away(reached),
    max: away(targetPercent / 100),
    text: `${who} ${verb} there ${shown} % of the time; wanted are ${targetPercent} %`,
    grows: false,
  };
}

/** All limits of a topology, those that are passed included. */
export function limitsOf(circumstances: Circumstances, topology: Topology): Limit[] {
  return [
    ...serverLimits(circumstances, topology),
    ...databaseLimitsOf(circumstances, topology),
    availabilityLimit(circumstances, topology),
    ...latencyLimit(circumstances, topology),
  ];
}

export function isPassed({ used, max }: Limit): boolean {
  return used > max * (1 + 1e-9);
}
