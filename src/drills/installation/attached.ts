/**
 * A test installation that runs already, as the topology of a drill: it is loaded and broken like one of the drill's own, and
 * runs on afterwards.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '#base/errors';
import { loadDrilled } from '../drilled-systems.ts';
import { drillErrors } from '../errors.ts';
import { canList } from '../read-back.ts';
import type { Needs, Scenario } from '../scenario.ts';
import { waitUntil } from '../wait.ts';
import { createClient } from './client.ts';
import { childrenOf, isAlive, signalProcess } from './processes.ts';
import { createServerView, type ServerView } from './server-view.ts';
import { findTestInstallation } from './test-installation.ts';
import { rootsOf, type Topology, type TopologyDeps, writeFaults } from './topology.ts';

/** A directory in which a test installation runs, and its root key. */
export interface RunningInstallation {
  data: string;
  rootKey: string;
}

const BACK_BOUND_MS = 30_000;

/** The installation of the moment. */
interface Offer {
  processes: number;
  standbys: number;
}

function offerOf(server: ServerView): Offer {
  const primary = server.postmaster();
  const postmasters = server.postgresDirectories().flatMap((name) => server.postmaster(name) ?? []);
  return {
    processes: Math.max(1, server.children().length),
    standbys: postmasters.filter((pid) => pid !== primary).length,
  };
}

/** Pure: what of its needs there is not, as a clause; undefined where there is all. */
export function missingOf(needs: Needs, { processes, standbys }: Offer): string | undefined {
  if ('own' in needs) return `${needs.own}, which it has only without --data`;
  if (processes < needs.processes) return `${needs.processes} processes that serve, and finds ${processes}`;
  return standbys < needs.standbys ? `a standby of the embedded Postgres` : undefined;
}

/** Whoever was stopped by a signal goes on, since what has stopped it may not have come so far as to let it. */
function letGoOn(server: ServerView): void {
  const postmasters = server.postgresDirectories().flatMap((name) => server.postmaster(name) ?? []);
  const children = postmasters.flatMap((pid) => childrenOf(pid).map((child) => child.pid));
  for (const pid of [...postmasters, ...children]) signalProcess(pid, 'SIGCONT');
}

/** What is not as it was, when it has had its time to be so again. */
async function problemsOf(server: ServerView, before: Offer, { clock }: TopologyDeps): Promise<string[]> {
  const problems = () => {
    const now = offerOf(server);
    return [
      ...(isAlive(server.pid()) ? [] : [`the server, pid ${server.pid()}, has ended`]),
      ...(now.processes >= before.processes
        ? []
        : [`${now.processes} of ${before.processes} processes serve`]),
      ...(now.standbys >= before.standbys ? [] : [`${now.standbys} of ${before.standbys} standbys run`]),
    ];
  };
  const late = (detail: string) => drillErrors.drill_not_quiet({ detail });
  const patience = { clock, signal: new AbortController().signal, boundMs: BACK_BOUND_MS, late };
  try {
    await waitUntil(
      'all runs as before',
      async () => problems().length === 0 && (await server.isReady()),
      patience,
    );
    return [];
  } catch (error) {
    return [describeError(error), ...problems()];
  }
}

/**
 * Does nothing to the installation yet, but for asking whether it is one to drill.
 * @throws drill_refused, drill_needs_more
 */
export async function attachTo(
  { name, needs }: Pick<Scenario, 'name' | 'needs'>,
  { data, rootKey }: RunningInstallation,
  deps: TopologyDeps,
): Promise<Topology> {
  const { pid, origin, faults, systems, ages, data: directory } = findTestInstallation(data);
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-drill-')));
  const server = createServerView(
    { name: 'server', origin, dataNamed: directory, data: () => directory, pid: () => pid, cwd: scratch },
    deps,
  );
  const before = offerOf(server);
  const faultsBefore = existsSync(faults) ? readFileSync(faults, 'utf8') : '{}';

  async function check(): Promise<void> {
    if (server.databaseUrl() === undefined) {
      throw drillErrors.drill_refused({ detail: `no embedded Postgres takes connections in ${directory}` });
    }
    const missing = missingOf(needs, before);
    if (missing !== undefined) throw drillErrors.drill_needs_more({ detail: `${name} needs ${missing}` });
    const client = createClient(origin, rootKey, deps);
    for (const system of await loadDrilled(systems, directory, ages)) {
      await canList(system.drill, client).catch((error: unknown) => {
        const detail = `${origin} does not give its ${system.name} to LOADSTONE_ROOT_KEY: ${describeError(error)}`;
        throw drillErrors.drill_refused({ detail });
      });
    }
  }

  async function dispose(): Promise<void> {
    writeFileSync(faults, faultsBefore);
    letGoOn(server);
    rmSync(scratch, { recursive: true, force: true });
  }

  await check().catch(async (error: unknown) => {
    rmSync(scratch, { recursive: true, force: true });
    throw error;
  });
  return {
    directory: scratch,
    ...{ origin, rootKey, dispose },
    server: () => server,
    roots: () => rootsOf(server),
    ownServer: (wanted) => assert.fail(`${name} was let in, and needs a server ${wanted} of its own`),
    get network(): never {
      return assert.fail(`${name} was let in, and needs a network of its own`);
    },
    hasReplicas: before.standbys > 0,
    ...{ systems, ages },
    describe: () => [
      `a test installation that goes on, in ${directory}: ${before.processes} ${before.processes === 1 ? 'process' : 'processes'}, ${before.standbys} standbys, ${origin}, pid ${pid}`,
    ],
    databaseUrl: server.databaseUrl,
    arm: (wanted) => writeFaults(faults, wanted),
    run: server.command,
    async start() {
      writeFaults(faults, {});
    },
    async stop() {
      writeFileSync(faults, faultsBefore);
      return problemsOf(server, before, deps);
    },
  };
}
