/**
 * The topology of a drill: real servers in processes of their own, below one temporary directory, and nothing left of them
 * when it has been taken down.
 */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { type FaultFile, faultCatalogue } from '#base/faults';
import type { Runtime } from '#base/runtime';
import type { Ages } from '../drilled-systems.ts';
import { drillErrors } from '../errors.ts';
import { waitUntil } from '../wait.ts';
import { processesIn, signalProcess } from './processes.ts';
import { createServerProcess, type ServerProcess } from './server-process.ts';
import type { ServerView } from './server-view.ts';
import { type SocketProxy, startSocketProxy } from './socket-proxy.ts';

export interface ServerPlan {
  name: string;
  /** One server of so many processes. */
  processes?: number;
  role?: 'api' | 'worker';
  /** Joins the server of that name; without it and `reaches`, it owns an embedded Postgres. */
  joins?: string;
  /** Uses the Postgres that the server of that name owns, through a proxy that can be cut. */
  reaches?: string;
  /** Its data directory is a disk of this size. */
  diskMiB?: number;
  /** What of loadstone.yaml is its own. */
  configuration?: Configuration;
}

/** loadstone.yaml. */
export type Configuration = Readonly<Record<string, Readonly<Record<string, unknown>> | readonly string[]>>;

export interface TopologyPlan {
  /** In the order of their start; the load is sent to the one called `loaded`. */
  servers: readonly ServerPlan[];
  loaded: string;
  configuration: Configuration;
}

/** A topology with the systems that its servers run. */
export interface SystemTopologyPlan extends TopologyPlan {
  /** As in the option `systems`; paths are absolute. */
  systems: readonly string[];
}

export interface TopologyDeps extends Pick<Runtime, 'clock' | 'random'> {
  /** Ends the start. */
  signal: AbortSignal;
  /** What runs this program: Node, its flags and its entry. */
  command: readonly [string, ...string[]];
  /** Without settings of its own for servers. */
  env: Readonly<Record<string, string>>;
}

export interface Topology {
  readonly directory: string;
  /** Of the server under load. */
  readonly origin: string;
  readonly rootKey: string;
  server(name: string): ServerView;
  /** One that the drill has started; for scenarios that need such alone. */
  ownServer(name: string): ServerProcess;
  /** The processes that it is made of, with all that is below them. */
  roots(): readonly number[];
  /** Whether reads may come from a replica. */
  readonly hasReplicas: boolean;
  /** As in the option `systems`; paths are absolute. */
  readonly systems: readonly string[];
  /** How old stale answers may be, where the servers' options are not the drill's own. */
  readonly ages: Ages | undefined;
  /** A line for each process. */
  describe(): string[];
  /** Address of the embedded Postgres, past every proxy; undefined while it is down. */
  databaseUrl(): string | undefined;
  /** The network between the servers that reach a database through it, and that database. */
  readonly network: SocketProxy;
  /** Arms fault points in all servers, and steps their clocks; `{}` ends both. */
  arm(faults: FaultFile): void;
  /** Runs a command of the program on the installation, to its end. */
  run(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Makes all of it ready for the load. */
  start(): Promise<void>;
  /**
   * Stops all servers as a person would, and tells what had to be killed instead. One that was there before goes on, and it
   * tells what does not go on as before.
   */
  stop(): Promise<string[]>;
  /** Undoes all that is left, by force, and removes the directory. To be called whatever has happened. */
  dispose(): Promise<void>;
}

const GONE_BOUND_MS = 15_000;

/** One that nobody listens on now; asked of the kernel, since a server that comes back must have the same again. */
async function takeFreePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once('error', reject);
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    probe.close(() => resolve(port));
  });
  return promise;
}

function merge(under: Configuration, over: Configuration = {}): Configuration {
  const keys = new Set([...Object.keys(under), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map((key) => {
      const [below, above] = [under[key], over[key]];
      const isList = Array.isArray(below) || Array.isArray(above);
      return [key, isList ? (above ?? below) : { ...below, ...above }] as const;
    }),
  ) as Configuration;
}

/** For all processes that were started with this file. @throws drill_impossible_here for a point that no room declares */
export function writeFaults(file: string, faults: FaultFile): void {
  for (const point of Object.keys(faults.points ?? {})) {
    if (!faultCatalogue().has(point))
      throw drillErrors.drill_impossible_here({ detail: `no room declares the fault point ${point}` });
  }
  writeFileSync(`${file}.new`, JSON.stringify(faults));
  renameSync(`${file}.new`, file);
}

/** The socket directory that an address of `locateEmbedded` names. */
function socketDirectoryOf(url: string): string {
  return new URL(url.replace('@/', '@localhost/')).searchParams.get('host') ?? '';
}

/** Makes the directory and starts nothing yet: `start` does. */
export async function createTopology(plan: SystemTopologyPlan, deps: TopologyDeps): Promise<Topology> {
  const { clock, random } = deps;
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-drill-')));
  const faultsFile = join(directory, 'faults.json');
  const rootKey = random.bytes(24).toString('base64url');
  const env = {
    ...deps.env,
    LOADSTONE_ROOT_KEY: rootKey,
    LOADSTONE_MASTER_KEY: random.bytes(32).toString('base64url'),
    LOADSTONE_FAULTS: faultsFile,
  };
  const owner = plan.servers.find(({ joins, reaches }) => joins === undefined && reaches === undefined);
  const dataOf = (name: string) => join(directory, name, 'data');
  const servers = new Map<string, ServerProcess>();
  const databaseUrl = () => servers.get(owner?.name ?? '')?.databaseUrl();
  const network = await startSocketProxy(
    clock,
    join(directory, 'net'),
    () => `${socketDirectoryOf(databaseUrl() ?? '')}/.s.PGSQL.5432`,
  );

  function flagsOf({ name, processes, role, joins, reaches }: ServerPlan): string[] {
    const through = (databaseUrl() ?? '').replace(
      /host=.*$/,
      `host=${encodeURIComponent(network.directory)}`,
    );
    return [
      ...(joins === undefined ? ['--data', dataOf(name)] : ['--join', dataOf(joins)]),
      ...(processes === undefined ? [] : ['--processes', String(processes)]),
      ...(role === undefined ? [] : ['--role', role]),
      ...(reaches === undefined ? [] : ['--database', through]),
    ];
  }

  async function startServer(server: ServerPlan): Promise<void> {
    const place = join(directory, server.name);
    mkdirSync(server.diskMiB === undefined ? place : dataOf(server.name), { recursive: true });
    const config = join(place, 'loadstone.yaml');
    // JSON is YAML.
    writeFileSync(
      config,
      JSON.stringify(merge({ ...plan.configuration, systems: plan.systems }, server.configuration)),
    );
    const listen = `127.0.0.1:${await takeFreePort()}`;
    const args = ['start', ...flagsOf(server), '--listen', listen, '--config', config];
    const made = createServerProcess(
      {
        name: server.name,
        data: dataOf(server.joins ?? server.name),
        origin: `http://${listen}`,
        args,
        cwd: place,
        diskMiB: server.diskMiB,
      },
      { ...deps, env },
    );
    servers.set(server.name, made);
    await made.start();
  }

  const find = (name: string) => {
    const found = servers.get(name);
    if (found) return found;
    throw drillErrors.drill_not_started({ detail: `no server ${name} has been started` });
  };
  writeFileSync(faultsFile, '{}');

  return {
    directory,
    rootKey,
    network,
    databaseUrl,
    server: find,
    ownServer: find,
    roots: () => [...servers.values()].flatMap(rootsOf),
    hasReplicas: 'standbys' in (plan.configuration.database ?? {}),
    systems: plan.systems,
    ages: undefined,
    get origin() {
      return find(plan.loaded).origin;
    },
    describe: () => plan.servers.map((server) => describeServer(server, servers.get(server.name))),
    arm(faults) {
      writeFaults(faultsFile, faults);
    },
    run: (args) => find(owner?.name ?? plan.loaded).command(args),
    async start() {
      for (const server of plan.servers) await startServer(server);
    },
    async stop() {
      const killed: string[] = [];
      writeFileSync(faultsFile, '{}');
      network.set({ kind: 'open' });
      for (const server of [...servers.values()].reverse()) {
        if (!(await server.stop())) killed.push(`${server.name} did not stop by itself`);
      }
      const left = await waitUntilGone(directory, clock);
      return [...killed, ...left];
    },
    async dispose() {
      for (const server of servers.values()) server.signalAll('SIGKILL');
      for (const { pid } of processesIn(directory)) signalProcess(pid, 'SIGKILL');
      await waitUntilGone(directory, clock);
      await network.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Its process, and every postmaster: one may have outlived the process that started it. */
export function rootsOf(server: ServerView): number[] {
  return [
    server.pid(),
    ...server.postgresDirectories().flatMap((directory) => server.postmaster(directory) ?? []),
  ].filter((pid) => pid > 0);
}

function describeServer(
  { name, processes, role, joins, reaches }: ServerPlan,
  made: ServerProcess | undefined,
) {
  const facts = [
    processes === undefined ? '' : `${processes} processes`,
    role === undefined ? '' : `role ${role}`,
    joins === undefined ? '' : `joins ${joins}`,
    reaches === undefined ? '' : `reaches the database of ${reaches} through a proxy`,
    joins === undefined && reaches === undefined ? 'owns the embedded Postgres' : '',
    made === undefined ? '' : `${made.origin}, pid ${made.pid()}`,
  ];
  return `${name}: ${facts.filter(Boolean).join(', ')}`;
}

/** What is still there when it has had its time, a line each. */
async function waitUntilGone(directory: string, clock: Clock): Promise<string[]> {
  const describe = () =>
    processesIn(directory).map(
      ({ pid, name, args }) => `pid ${pid} (${name}) ${args.join(' ').slice(0, 120)}`,
    );
  try {
    await waitUntil('no process is left', () => describe().length === 0, {
      clock,
      signal: new AbortController().signal,
      boundMs: GONE_BOUND_MS,
      late: (detail) => drillErrors.drill_not_quiet({ detail }),
    });
    return [];
  } catch {
    return describe();
  }
}
