/**
 * The server under calibration: a real one, started as a drill starts its own, with items to read.
 */
import assert from 'node:assert/strict';
import { extname, join } from 'node:path';
import type { Clock } from '#base/clock';
import type { Runtime } from '#base/runtime';
import {
  createLoad,
  encodeRequest,
  type LoadOptions,
  type LoadRequest,
  type LoadSummary,
  parseOrigin,
} from '#blocks/load';
import type { CalibrationItem } from '#blocks/system';
import { createTopology } from '#drills/installation/topology';
import { readJson } from '#drills/load/answer';
import { toLoadRequest } from '#drills/load/request';
import { type Cores, cpuMsOf, cpuMsOfPostgres } from './cores.ts';
import { calibrationErrors } from './errors.ts';
import { type CalibratedSystem, type Measured, measuresOf } from './systems.ts';

export interface SiteDeps extends Pick<Runtime, 'clock' | 'random'> {
  signal: AbortSignal;
  cores: Cores | undefined;
  /** Of the servers, without settings of their own. */
  env: Readonly<Record<string, string>>;
}

export interface Site {
  readonly clock: Clock;
  readonly directory: string;
  readonly data: string;
  /** What is sent to measure something. */
  requestsOf(name: string): () => LoadRequest;
  /** Sends requests at a rate, by Poisson arrivals. */
  load(
    next: () => LoadRequest,
    options: Pick<LoadOptions, 'connections' | 'ratePerS' | 'durationMs' | 'pendingMax' | 'timeoutMs'>,
  ): Promise<LoadSummary>;
  /** The processes of the server, with all that is below them. */
  roots(): readonly number[];
  cpu(): { serverMs: number; postgresMs: number };
  stop(): Promise<void>;
  dispose(): Promise<void>;
}

const SERVER = 'server';
const ITEMS_PER_S = 400;
const ITEM_CONNECTIONS = 16;
const SETUP_TIMEOUT_MS = 30_000;
/** Of the items that were to be made. */
const MADE_SHARE_MIN = 0.99;

/** Each of them in turn, over and over. */
function inTurn<T>(all: readonly T[]): () => T {
  let at = 0;
  return () => {
    at = (at + 1) % all.length;
    return all[at] as T;
  };
}

/** @param name of what is measured @param items those of its system */
function requestsFor(
  { name, measure }: Measured,
  items: readonly CalibrationItem[],
  { rootKey, origin }: { rootKey: string; origin: string },
): () => LoadRequest {
  if ('reads' in measure) {
    const { authority } = parseOrigin(origin);
    const requests = measure.reads(items).map((request) => toLoadRequest(request, { rootKey }));
    if (requests.length > 0)
      return inTurn(requests.map((request) => ({ ...request, encoded: encodeRequest(request, authority) })));
    throw calibrationErrors.calibration_failed({ detail: `${name}: there is nothing to read` });
  }
  let written = 0;
  return () => {
    const n = written++;
    return toLoadRequest(measure.write(n), { rootKey, idempotencyKey: `calibrate-${name}-${n}` });
  };
}

/** @throws calibration_failed */
async function makeItems(
  { name, calibrate }: CalibratedSystem,
  count: number,
  { origin, rootKey }: { origin: string; rootKey: string },
  { clock, random, signal }: SiteDeps,
): Promise<CalibrationItem[]> {
  const items: CalibrationItem[] = [];
  const load = createLoad(
    {
      ...{ origin, connections: ITEM_CONNECTIONS, ratePerS: ITEMS_PER_S, arrivals: 'uniform' },
      ...{ durationMs: (count / ITEMS_PER_S) * 1000, pendingMax: count, timeoutMs: SETUP_TIMEOUT_MS },
    },
    {
      clock,
      random,
      next: (n) =>
        toLoadRequest(calibrate.prepare(n), { rootKey, idempotencyKey: `calibrate-item-${name}-${n}` }),
      onAnswer: ({ status = 0, headers = {}, body }) => {
        const isGood = status >= 200 && status < 300;
        const item = isGood ? calibrate.keep({ status, headers, body: readJson(body) }) : undefined;
        if (item) items.push(item);
      },
    },
  );
  const { planned } = await load.run(signal);
  signal.throwIfAborted();
  if (items.length >= planned * MADE_SHARE_MIN) return items;
  throw calibrationErrors.calibration_failed({
    detail: `of ${planned} items of ${name} that were to be made before the measurement, ${items.length} were made`,
  });
}

/**
 * Starts the server, and makes the items. Nothing of it is left when it fails.
 * @param count of the items of each system
 */
export async function startSite(
  systems: readonly CalibratedSystem[],
  count: number,
  deps: SiteDeps,
): Promise<Site> {
  const { clock, random, signal, cores, env } = deps;
  const pinned = cores === undefined ? [] : ['taskset', '-c', cores.server.join(',')];
  const entry = join(import.meta.dirname, `main${extname(import.meta.filename)}`);
  const [file = '', ...rest] = [...pinned, process.execPath, ...process.execArgv, entry];
  const topology = await createTopology(
    {
      servers: [{ name: SERVER }],
      loaded: SERVER,
      systems: systems.map(({ given }) => given),
      configuration: Object.fromEntries(
        systems.flatMap(({ name, calibrate: { options } }) => (options ? [[name, options] as const] : [])),
      ),
    },
    { clock, random, signal, command: [file, ...rest], env },
  );
  try {
    await topology.start();
    const { origin } = topology;
    const server = topology.ownServer(SERVER);
    const postmaster = server.postmaster() ?? 0;
    const requests = new Map<string, () => LoadRequest>();
    for (const system of systems) {
      const items = await makeItems(system, count, topology, deps);
      for (const measured of measuresOf([system]))
        requests.set(measured.name, requestsFor(measured, items, topology));
    }
    return {
      clock,
      directory: topology.directory,
      data: server.data(),
      requestsOf(name) {
        const next = requests.get(name);
        assert(next, `${name} is measured`);
        return next;
      },
      async load(next, options) {
        const load = createLoad(
          { ...options, origin, arrivals: 'poisson', answers: 'status' },
          { clock, random, next },
        );
        const summary = await load.run(signal);
        signal.throwIfAborted();
        return summary;
      },
      roots: topology.roots,
      cpu: () => ({ serverMs: cpuMsOf(server.pid()), postgresMs: cpuMsOfPostgres(postmaster) }),
      stop: async () => void (await server.stop()),
      dispose: topology.dispose,
    };
  } catch (error) {
    await topology.dispose();
    throw error;
  }
}
