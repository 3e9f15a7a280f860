/**
 * What scenarios do to a topology, and have in common.
 */
import { drillErrors } from '../errors.ts';
import { signalProcess } from '../installation/processes.ts';
import type { Configuration } from '../installation/topology.ts';
import type { Stage } from '../scenario.ts';

/** Short leases, so that no drill waits for those of the dead. */
export const DRILL_CONFIGURATION: Configuration = {
  outbox: { leaseMs: 1000 },
  stream: { leaseMs: 1000 },
  queue: { leaseMs: 2000 },
  log: { level: 'warn' },
};

/** More than recovery is made of. */
const WELL_MS = 2000;
const READY_BOUND_MS = 30_000;

/** Somewhere between these shares of the load's time, by seed. */
export async function waitForShare(stage: Stage, [min, max]: readonly [number, number]): Promise<void> {
  await stage.wait(stage.seconds * 1000 * (min + (max - min) * stage.random.fraction()));
}

/**
 * Until a server answers and no request has failed for a while, so that the next fault meets one that has recovered. While
 * nobody serves, requests wait on its socket and do not fail yet.
 */
export async function untilWell(stage: Stage, server: string): Promise<void> {
  for (let before = -1; before !== stage.failures(); ) {
    await stage.until(`${server} is ready`, stage.topology.server(server).isReady, READY_BOUND_MS);
    before = stage.failures();
    await stage.wait(WELL_MS);
  }
}

/** `kill -9` for one of the processes that serve, which a supervisor replaces. */
export async function killChild(stage: Stage, server: string): Promise<void> {
  const children = stage.topology.server(server).children();
  const victim = children[Math.floor(stage.random.fraction() * children.length)];
  if (victim === undefined)
    throw drillErrors.drill_not_quiet({ detail: `${server} has no process that could be killed` });
  stage.mark('fault', `kill -9 of pid ${victim.pid}, one of ${children.length} that serve`);
  signalProcess(victim.pid, 'SIGKILL');
  await stage.until(
    `${server} has as many processes as before`,
    () => {
      const now = stage.topology.server(server).children();
      return now.length === children.length && now.every(({ pid }) => pid !== victim.pid);
    },
    30_000,
  );
  stage.mark('process', 'another has taken its place');
}

/** `kill -9` for the postmaster, which its owner starts again. */
export async function killPostmaster(stage: Stage, owner: string): Promise<void> {
  const server = stage.topology.server(owner);
  const pid = server.postmaster();
  if (pid === undefined) throw drillErrors.drill_not_quiet({ detail: `${owner} runs no Postgres` });
  stage.mark('fault', `kill -9 of the postmaster, pid ${pid}`);
  signalProcess(pid, 'SIGKILL');
  await stage.until(
    'Postgres runs again',
    () => ![undefined, pid].includes(server.postmaster()) && stage.topology.databaseUrl() !== undefined,
    60_000,
  );
  stage.mark('process', `Postgres runs again, pid ${server.postmaster()}`);
}
