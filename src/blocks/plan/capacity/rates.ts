/**
 * What a server, an API server and a database server can do of one kind of request, by a calibration. A server of the plan
 * is the machine that was calibrated.
 */
import type { Calibration, RouteCapacity, RouteName } from './capacity.ts';

const US_PER_S = 1e6;

/** `cachedRead` is a read that a cache answers: a process has as much to do with it, Postgres nothing. */
export type RequestKind = RouteName | 'cachedRead';

export interface Rates {
  /** Everything on one server with so many processes. */
  together(processes: number): number;
  /** A server that runs processes only, one for each core. */
  api: number;
  /** A server that runs Postgres only; infinite for what needs none. */
  database: number;
}

/**
 * How full that which gave way first was at the knee, 0 to 1: the one thread of the process, or the cores of the server.
 * Undefined where the machine did not tell.
 */
function fullnessOf(route: RouteCapacity, cores: number): number | undefined {
  const { serverCpuUs, postgresCpuUs, kneePerS } = route;
  if (serverCpuUs === null || postgresCpuUs === null) return undefined;
  const thread = (kneePerS * serverCpuUs) / US_PER_S;
  const machine = (kneePerS * (serverCpuUs + postgresCpuUs)) / (cores * US_PER_S);
  return Math.min(1, Math.max(thread, machine));
}

function routeOf({ routes }: Calibration, kind: RequestKind): RouteCapacity {
  if (kind !== 'cachedRead') return routes[kind];
  const { read } = routes;
  const { serverCpuUs, postgresCpuUs, kneePerS } = read;
  if (!serverCpuUs || postgresCpuUs === null) return read;
  return { ...read, postgresCpuUs: 0, kneePerS: (kneePerS * (serverCpuUs + postgresCpuUs)) / serverCpuUs };
}

/**
 * Processes more add up until the server's cores are as full as they were at the knee. Where the calibration has no CPU
 * times, a server is taken to do no more than was measured, however it is divided.
 */
export function ratesOf(calibration: Calibration, kind: RequestKind): Rates {
  return ratesOfRoute(calibration, routeOf(calibration, kind));
}

/** Of a route of its own, such as one of `systems`. */
export function ratesOfRoute(calibration: Calibration, route: RouteCapacity): Rates {
  const { machine, placement } = calibration;
  const { kneePerS, serverCpuUs, postgresCpuUs } = route;
  const fullness = fullnessOf(route, placement.serverCores);
  if (fullness === undefined) return { together: () => kneePerS, api: kneePerS, database: kneePerS };
  const server = serverCpuUs ?? 0;
  const postgres = postgresCpuUs ?? 0;
  const whole = fullness * machine.cores * US_PER_S;
  const most = server + postgres > 0 ? Math.max(kneePerS, whole / (server + postgres)) : kneePerS;
  return {
    together: (processes) => Math.min(processes * kneePerS, most),
    api: server > 0 ? whole / server : Number.POSITIVE_INFINITY,
    database: postgres > 0 ? whole / postgres : Number.POSITIVE_INFINITY,
  };
}
