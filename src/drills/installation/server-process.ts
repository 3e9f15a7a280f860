/**
 * One server of a drill: started, signalled, killed, started again at the same address.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { type Clock, sleep } from '#base/clock';
import { drillErrors } from '../errors.ts';
import { waitUntil } from '../wait.ts';
import { onBoundedDisk, seenBy } from './bounded-disk.ts';
import { signalProcess } from './processes.ts';
import { createServerView, type ServerView } from './server-view.ts';

/** Generous: how long a start takes is not what a drill judges, and on a busy machine it has taken 35 s. */
const READY_BOUND_MS = 120_000;
const STOP_BOUND_MS = 30_000;
/** Of what a server has said, the last that is kept. */
const SAID_MAX = 65_536;
/** In a message. */
const QUOTED_MAX = 2000;

export interface ServerProcess extends ServerView {
  isRunning(): boolean;
  /** Starts it, or starts it again, and waits until it is ready. @throws drill_not_started */
  start(): Promise<void>;
  untilReady(boundMs?: number): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Itself, its children and every postmaster of its data directory. */
  signalAll(signal: NodeJS.Signals): void;
  /** `kill -9`, and until it is gone. */
  kill(): Promise<void>;
  /** As Ctrl-C does; false if it had to be killed. */
  stop(): Promise<boolean>;
  /** The last that it has said. */
  said(): string;
}

export interface ServerLocation {
  name: string;
  data: string;
  origin: string;
  args: readonly string[];
  cwd: string;
  /** The size of the disk that its data directory is; by default that of this machine. */
  diskMiB: number | undefined;
}

export interface ServerProcessDeps {
  clock: Clock;
  signal: AbortSignal;
  command: readonly [string, ...string[]];
  env: Readonly<Record<string, string>>;
}

export function createServerProcess(place: ServerLocation, deps: ServerProcessDeps): ServerProcess {
  const { clock, command, env } = deps;
  const { name, origin, args, cwd, diskMiB } = place;
  let child: ChildProcess | undefined;
  let ended = Promise.resolve();
  let hasEnded = true;
  let said = '';

  function keep(chunk: string): void {
    said = (said + chunk).slice(-SAID_MAX);
  }

  function spawnServer(): void {
    const through = diskMiB === undefined ? [] : onBoundedDisk(place.data, diskMiB);
    const [file = '', ...before] = [...through, ...command];
    // The channel ends the server when the drill itself is killed.
    const made = spawn(file, [...before, ...args], {
      cwd,
      env: { ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = made;
    hasEnded = false;
    for (const stream of [made.stdout, made.stderr]) stream?.setEncoding('utf8').on('data', keep);
    ended = new Promise((resolve) => {
      const onEnd = () => {
        hasEnded = true;
        resolve();
      };
      made.once('exit', onEnd);
      made.once('error', (error) => {
        keep(error.message);
        onEnd();
      });
    });
  }

  const view = createServerView(
    {
      ...{ name, origin, cwd, dataNamed: place.data, pid: () => child?.pid ?? 0 },
      data: () => (diskMiB === undefined ? place.data : seenBy(child?.pid ?? 0, place.data)),
    },
    deps,
  );
  const quote = () =>
    said
      .trim()
      .slice(-QUOTED_MAX)
      .replaceAll(/\s*\n\s*/g, ' | ');

  async function untilReady(boundMs = READY_BOUND_MS): Promise<void> {
    await waitUntil(`${name} is ready`, () => hasEnded || view.isReady(), {
      clock,
      signal: deps.signal,
      boundMs,
      late: (detail) => drillErrors.drill_not_started({ detail: `${detail}; it said: ${quote()}` }),
    });
    if (hasEnded) throw drillErrors.drill_not_started({ detail: `${name} ended; it said: ${quote()}` });
  }

  async function hasEndedWithin(boundMs: number): Promise<boolean> {
    const limit = new AbortController();
    const late = sleep(clock, boundMs, limit.signal).catch(() => {});
    await Promise.race([ended, late]);
    limit.abort();
    return hasEnded;
  }

  const server: ServerProcess = {
    ...view,
    isRunning: () => !hasEnded,
    untilReady,
    async start() {
      spawnServer();
      await untilReady();
    },
    signal: (signal) => signalProcess(server.pid(), signal),
    signalAll(signal) {
      const postmasters = server
        .postgresDirectories()
        .flatMap((directory) => server.postmaster(directory) ?? []);
      const own = hasEnded ? [] : [...server.children().map(({ pid }) => pid), server.pid()];
      for (const pid of [...own, ...postmasters]) signalProcess(pid, signal);
    },
    async kill() {
      signalProcess(server.pid(), 'SIGKILL');
      await ended;
    },
    async stop() {
      if (hasEnded) return true;
      server.signalAll('SIGCONT');
      server.signal('SIGTERM');
      if (await hasEndedWithin(STOP_BOUND_MS)) return true;
      server.signalAll('SIGKILL');
      await ended;
      return false;
    },
    said: () => said,
  };
  return server;
}
