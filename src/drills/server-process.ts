/**
 * One server of a drill: started, signalled, killed, started again at the same address.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { locateEmbedded } from '#blocks/database';
import { onBoundedDisk, seenBy } from './bounded-disk.ts';
import { drillErrors } from './errors.ts';
import { childrenOf, type ProcessRow, signalProcess } from './processes.ts';
import { waitUntil } from './wait.ts';

const READY_BOUND_MS = 60_000;
const ANSWER_BOUND_MS = 2000;
const STOP_BOUND_MS = 30_000;
const COMMAND_BOUND_MS = 60_000;
/** Of what a server has said, the last that is kept. */
const SAID_MAX = 65_536;
/** In a message. */
const QUOTED_MAX = 2000;

export interface ServerProcess {
  readonly name: string;
  readonly origin: string;
  /** Its data directory, or that of the server it has joined, where this process can see it. */
  data(): string;
  /** Address of the embedded Postgres in it; undefined while none takes connections. */
  databaseUrl(): string | undefined;
  pid(): number;
  /** The processes that serve, where it is a supervisor. */
  children(): ProcessRow[];
  /** The postmaster on a directory below `data`, by default on that of the primary; undefined where none runs. */
  postmaster(directory?: string): number | undefined;
  /** The directories below `data` that hold a Postgres. */
  postgresDirectories(): string[];
  isRunning(): boolean;
  isReady(): Promise<boolean>;
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
  /** Runs another command of the program where the server is. */
  command(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** The last that it has said. */
  said(): string;
}

export interface ServerPlace {
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

interface Postmaster {
  pid: number;
  socketDirectory: string;
  isReady: boolean;
}

/** By its file (PostgreSQL source, `pidfile.h`); one whose process has ended is as none. */
function readPostmaster(directory: string): Postmaster | undefined {
  try {
    const lines = readFileSync(join(directory, 'postmaster.pid'), 'utf8').split('\n');
    const [pid, , , , socketDirectory = '', , , status = ''] = lines.map((line) => line.trim());
    process.kill(Number(pid), 0);
    return { pid: Number(pid), socketDirectory, isReady: status === 'ready' };
  } catch {
    return undefined;
  }
}

function embeddedUrl(socketDirectory: string): string {
  return `postgres://loadstone_super@/loadstone?host=${encodeURIComponent(socketDirectory)}`;
}

/** The directory that `database.json` names; without that file `postgres`. */
function readPrimary(data: string): string {
  const file = join(data, 'database.json');
  if (!existsSync(file)) return 'postgres';
  return (JSON.parse(readFileSync(file, 'utf8')) as { primary: string }).primary;
}

export function createServerProcess(place: ServerPlace, deps: ServerProcessDeps): ServerProcess {
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

  const isReady = async () => {
    const deadline = createDeadline(clock, ANSWER_BOUND_MS);
    try {
      const reply = await fetch(`${origin}/readyz`, { signal: deadline.signal });
      await reply.arrayBuffer();
      return reply.ok;
    } finally {
      deadline.done();
    }
  };
  const quote = () =>
    said
      .trim()
      .slice(-QUOTED_MAX)
      .replaceAll(/\s*\n\s*/g, ' | ');

  async function untilReady(boundMs = READY_BOUND_MS): Promise<void> {
    await waitUntil(`${name} is ready`, () => hasEnded || isReady(), {
      clock,
      signal: deps.signal,
      boundMs,
      late: (detail) => drillErrors.drill_not_started({ detail: `${detail}; it said: ${quote()}` }),
    });
    if (hasEnded) throw drillErrors.drill_not_started({ detail: `${name} ended; it said: ${quote()}` });
  }

  function data(): string {
    return diskMiB === undefined ? place.data : seenBy(server.pid(), place.data);
  }

  function postgresDirectories(): string[] {
    if (!existsSync(data())) return [];
    return readdirSync(data()).filter((entry) => /^postgres(-|$)/.test(entry));
  }

  async function hasEndedWithin(boundMs: number): Promise<boolean> {
    const limit = new AbortController();
    const late = sleep(clock, boundMs, limit.signal).catch(() => {});
    await Promise.race([ended, late]);
    limit.abort();
    return hasEnded;
  }

  const server: ServerProcess = {
    name,
    origin,
    data,
    pid: () => child?.pid ?? 0,
    children: () =>
      childrenOf(server.pid()).filter(({ name: program }) => /^(node|MainThread)/.test(program)),
    postgresDirectories,
    postmaster: (directory = readPrimary(data())) => readPostmaster(join(data(), directory))?.pid,
    databaseUrl() {
      if (diskMiB === undefined) return locateEmbedded(place.data);
      // As locateEmbedded, which cannot tell whose a postmaster is that it sees through /proc.
      const found = readPostmaster(join(data(), 'postgres'));
      return found?.isReady ? embeddedUrl(found.socketDirectory) : undefined;
    },
    isRunning: () => !hasEnded,
    isReady,
    untilReady,
    async start() {
      spawnServer();
      await untilReady();
    },
    signal: (signal) => signalProcess(server.pid(), signal),
    signalAll(signal) {
      const postmasters = postgresDirectories().flatMap((directory) => server.postmaster(directory) ?? []);
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
    command: (given) => runCommand([...command, ...given, '--data', place.data], { cwd, env }),
    said: () => said,
  };
  return server;
}

function runCommand(
  [file = '', ...args]: readonly string[],
  place: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: place.cwd,
      env: { ...place.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_BOUND_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
