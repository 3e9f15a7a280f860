/**
 * One running Postgres: started by us, or found running (adopted), seen alike.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { toProgramError } from '../errors.ts';
import type { Site } from '../site-shape.ts';
import { programOf } from './installation.ts';
import { postmasterFileVersion, readPostmasterFile } from './postmaster-file.ts';
import { isAlive, type ProcessIdentity, postgresProcessesIn } from './process-identity.ts';
import type { ServerLog } from './server-log.ts';

export interface Postmaster {
  readonly pid: number;
  readonly adopted: boolean;
  /** Whether postmaster.pid says that this process accepts connections. */
  isReady(): boolean;
  /** Resolves when the process has ended, with how it ended in words. Never rejects. */
  readonly exited: Promise<string>;
  /** INT: fast shutdown; QUIT: immediate, with recovery at the next start; KILL: leaves its children to themselves. */
  signal(name: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): void;
}

/** How long the output of an ended process may take to drain; orphans of a killed one can hold the pipe open. */
const DRAIN_MS = 200;
const ADOPTED_POLL_MS = 100;

/**
 * Starts Postgres in a session of its own, so that a terminal's SIGINT passes it by.
 * @param lockFd an open file that it and its processes inherit (postgres-lock.ts)
 */
export function launchPostmaster(
  site: Site,
  args: readonly string[],
  lockFd: number,
  deps: { clock: Clock; serverLog: ServerLog },
): Postmaster {
  const command = site.launch.command(programOf(site.installation, 'postgres'), args);
  const before = postmasterFileVersion(site.dataDirectory);
  const child = spawn(command.file, command.args, {
    ...command.as,
    env: site.environment,
    stdio: ['ignore', 'ignore', 'pipe', lockFd],
    cwd: '/',
    detached: true,
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => deps.serverLog.write(chunk));
  const exited = new Promise<string>((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(`could not be run (${(error as NodeJS.ErrnoException).code})`);
    });
    child.once('exit', (code, name) => {
      const ending = code === null ? `was ended by ${name}` : `ended with code ${code}`;
      const drained = () => {
        timer.cancel();
        child.stderr?.destroy();
        resolve(ending);
      };
      const timer = deps.clock.after(DRAIN_MS, drained);
      child.once('close', drained);
    });
  });
  const pid = child.pid ?? 0;
  return {
    pid,
    adopted: false,
    exited,
    isReady() {
      const file = readPostmasterFile(site.dataDirectory);
      if (file?.pid !== pid || file.status !== 'ready') return false;
      return postmasterFileVersion(site.dataDirectory) !== before;
    },
    signal: (name) => void child.kill(name),
  };
}

/** Takes over a Postgres that somebody else started. It is nobody's child here, so its end is found by asking. */
export function adoptPostmaster(identity: ProcessIdentity, deps: { clock: Clock }): Postmaster {
  async function watch(): Promise<string> {
    while (isAlive(identity)) await sleep(deps.clock, ADOPTED_POLL_MS);
    return 'ended';
  }
  return {
    pid: identity.pid,
    adopted: true,
    exited: watch(),
    isReady: () => true,
    signal(name) {
      if (isAlive(identity)) process.kill(identity.pid, name);
    },
  };
}

const READY_POLL_MS_MIN = 4;
const READY_POLL_MS_MAX = 50;

/**
 * Waits until Postgres writes that it accepts connections into postmaster.pid: cheaper than connecting, and as true.
 * @throws data_disk_full, data_unwritable or postgres_start_failed when it ends before; the signal's reason
 */
export async function waitUntilReady(
  postmaster: Postmaster,
  site: Site,
  deps: { clock: Clock; serverLog: ServerLog; signal: AbortSignal },
): Promise<void> {
  const stopWaiting = new AbortController();
  let ending: string | undefined;
  void postmaster.exited.then((how) => {
    ending = how;
    stopWaiting.abort();
  });
  const either = AbortSignal.any([deps.signal, stopWaiting.signal]);
  let pollMs = READY_POLL_MS_MIN;
  while (ending === undefined) {
    deps.signal.throwIfAborted();
    if (postmaster.isReady()) return;
    await sleep(deps.clock, pollMs, either).catch(() => {});
    pollMs = Math.min(READY_POLL_MS_MAX, pollMs * 1.1);
  }
  throw toProgramError('Postgres', ending, site.dataDirectory, deps.serverLog.tail());
}

/** After SIGQUIT Postgres kills children that do not end within 5 s. */
const IMMEDIATE_MS = 7000;

/**
 * Stops Postgres and waits until it has ended: fast shutdown until `deadline`, then an immediate one, then a kill.
 */
export async function stopPostmaster(
  postmaster: Postmaster,
  dataDirectory: string,
  deadline: AbortSignal,
  clock: Clock,
): Promise<void> {
  if (!deadline.aborted) postmaster.signal('SIGINT');
  if (await endsBefore(postmaster.exited, deadline)) return;
  postmaster.signal('SIGQUIT');
  const patience = createDeadline(clock, IMMEDIATE_MS);
  const ended = await endsBefore(postmaster.exited, patience.signal);
  patience.done();
  if (ended) return;
  await killPostmaster(postmaster, dataDirectory, clock);
}

/** Without asking: also when it hangs, or has been stopped. Nothing of it runs when this resolves. */
export async function killPostmaster(
  postmaster: Postmaster | undefined,
  dataDirectory: string,
  clock: Clock,
): Promise<void> {
  postmaster?.signal('SIGKILL');
  await postmaster?.exited;
  await sweepOrphans(dataDirectory, clock);
}

async function endsBefore(exited: Promise<string>, limit: AbortSignal): Promise<boolean> {
  const stopListening = new AbortController();
  const limited = limit.aborted
    ? Promise.resolve(false)
    : once(limit, 'abort', { signal: stopListening.signal }).then(
        () => false,
        () => false,
      );
  const ended = await Promise.race([exited.then(() => true), limited]);
  stopListening.abort();
  return ended;
}

const SWEEP_POLL_MS = 10;
const SWEEP_TURNS_MAX = 500;

/**
 * Kills what a killed postmaster left behind. The orphans end by themselves once they look up from their work, but until
 * then they hold the shared memory, and a new Postgres refuses to start.
 */
export async function sweepOrphans(dataDirectory: string, clock: Clock): Promise<void> {
  for (let turn = 0; turn < SWEEP_TURNS_MAX; turn++) {
    const pids = postgresProcessesIn(dataDirectory);
    if (pids.length === 0) return;
    for (const pid of pids) killIfThere(pid);
    await sleep(clock, SWEEP_POLL_MS);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
