/**
 * The server under calibration: a real one, started as a drill starts its own, with links to read and to follow.
 */
import { extname, join } from 'node:path';
import type { Clock } from '#base/clock';
import type { Random } from '#base/random';
import {
  createLoad,
  encodeRequest,
  type LoadOptions,
  type LoadRequest,
  type LoadSummary,
  parseOrigin,
} from '#blocks/load';
import type { RouteName } from '#blocks/plan';
import { createTopology } from '#drills/topology';
import { type Cores, cpuMsOf, cpuMsOfPostgres } from './calibration-cores.ts';
import { calibrationErrors } from './calibration-errors.ts';

export interface SiteDeps {
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  cores: Cores | undefined;
  /** Of the servers, without settings of their own. */
  env: Readonly<Record<string, string>>;
}

export interface Site {
  readonly clock: Clock;
  readonly directory: string;
  readonly data: string;
  readonly requests: Readonly<Record<RouteName, () => LoadRequest>>;
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
/** Few enough that following all links in turn never finds one of them kept. */
const KEPT_LINKS = 400;
/** Of these only, those that are always kept. */
const HIT_LINKS = 200;
const LINKS_PER_S = 400;
const LINK_CONNECTIONS = 16;
const SETUP_TIMEOUT_MS = 30_000;

interface Link {
  id: string;
  code: string;
}

/** As long as what people shorten: about a hundred characters. */
function destination(index: number): string {
  return `https://shop.example.com/en/collections/summer/products/${index}?utm_source=newsletter&utm_medium=email&utm_id=${index}`;
}

/** Each of them in turn, over and over. */
function inTurn<T>(all: readonly T[]): () => T {
  let at = 0;
  return () => {
    at = (at + 1) % all.length;
    return all[at] as T;
  };
}

function createRequests(links: readonly Link[], rootKey: string, authority: string): Site['requests'] {
  const key = { authorization: `Bearer ${rootKey}` };
  const get = (path: string, headers: Record<string, string>): LoadRequest => {
    const request: LoadRequest = { method: 'GET', path, headers };
    return { ...request, encoded: encodeRequest(request, authority) };
  };
  const ofCodes = (some: readonly Link[]) => inTurn(some.map(({ code }) => get(`/${code}`, {})));
  const list = get('/v1/links?limit=20', key);
  let created = 0;
  return {
    redirectHit: ofCodes(links.slice(0, HIT_LINKS)),
    redirectMiss: ofCodes(links),
    read: inTurn(links.map(({ id }) => get(`/v1/links/${id}`, key))),
    list: () => list,
    create: () => createRequest(key, `calibrate-${created++}`, created),
  };
}

function createRequest(key: Record<string, string>, idempotencyKey: string, index: number): LoadRequest {
  return {
    method: 'POST',
    path: '/v1/links',
    headers: { ...key, 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
    body: JSON.stringify({ url: destination(index) }),
  };
}

/** @throws calibration_failed */
async function createLinks(
  origin: string,
  rootKey: string,
  count: number,
  { clock, random, signal }: SiteDeps,
): Promise<Link[]> {
  const links: Link[] = [];
  const key = { authorization: `Bearer ${rootKey}` };
  const load = createLoad(
    {
      ...{ origin, connections: LINK_CONNECTIONS, ratePerS: LINKS_PER_S, arrivals: 'uniform' },
      ...{ durationMs: (count / LINKS_PER_S) * 1000, pendingMax: count, timeoutMs: SETUP_TIMEOUT_MS },
    },
    {
      clock,
      random,
      next: (n) => createRequest(key, `calibrate-link-${n}`, n),
      onAnswer: ({ status, body = '' }) => {
        if (status === 201) links.push(JSON.parse(body) as Link);
      },
    },
  );
  const { planned } = await load.run(signal);
  signal.throwIfAborted();
  if (links.length >= planned * 0.99 && links.length > KEPT_LINKS) return links;
  throw calibrationErrors.calibration_failed({
    detail: `of ${planned} links that were to be made before the measurement, ${links.length} were made`,
  });
}

/** Starts the server, and makes the links. Nothing of it is left when it fails. */
export async function startSite(linkCount: number, deps: SiteDeps): Promise<Site> {
  const { clock, random, signal, cores, env } = deps;
  const pinned = cores === undefined ? [] : ['taskset', '-c', cores.server.join(',')];
  const entry = join(import.meta.dirname, `main${extname(import.meta.filename)}`);
  const [file = '', ...rest] = [...pinned, process.execPath, ...process.execArgv, entry];
  const topology = await createTopology(
    {
      servers: [{ name: SERVER }],
      loaded: SERVER,
      configuration: { links: { cacheEntriesMax: KEPT_LINKS } },
    },
    { clock, random, signal, command: [file, ...rest], env },
  );
  try {
    await topology.start();
    const { origin, rootKey } = topology;
    const server = topology.ownServer(SERVER);
    const postmaster = server.postmaster() ?? 0;
    const links = await createLinks(origin, rootKey, linkCount, deps);
    return {
      clock,
      directory: topology.directory,
      data: server.data(),
      requests: createRequests(links, rootKey, parseOrigin(origin).authority),
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
