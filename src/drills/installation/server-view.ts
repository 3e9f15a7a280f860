/**
 * A server as a drill sees it, whoever has started it: whether it is ready, its processes, and its Postgres.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { locateEmbedded, readDatabaseFile } from '#blocks/postgres';
import { childrenOf, type ProcessRow } from './processes.ts';

const ANSWER_BOUND_MS = 2000;
const COMMAND_BOUND_MS = 60_000;

export interface ServerView {
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
  isReady(): Promise<boolean>;
  /** Runs another command of the program where the server is. */
  command(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

export interface ViewedServer {
  name: string;
  origin: string;
  /** As its command line names it. */
  dataNamed: string;
  data: () => string;
  pid: () => number;
  /** Where its commands are run. */
  cwd: string;
}

export interface ServerViewDeps {
  clock: Clock;
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

export function createServerView(
  { name, origin, dataNamed, data, pid, cwd }: ViewedServer,
  { clock, command, env }: ServerViewDeps,
): ServerView {
  return {
    name,
    origin,
    data,
    pid,
    children: () =>
      childrenOf(pid()).filter(({ name: program }) => /^(node|MainThread|loadstone)/.test(program)),
    postmaster: (directory = readDatabaseFile(data()).primary) =>
      readPostmaster(join(data(), directory))?.pid,
    postgresDirectories() {
      if (!existsSync(data())) return [];
      return readdirSync(data()).filter((entry) => /^postgres(-|$)/.test(entry));
    },
    databaseUrl() {
      if (data() === dataNamed) return locateEmbedded(dataNamed);
      // As locateEmbedded, which cannot tell whose a postmaster is that it sees through /proc.
      const found = readPostmaster(join(data(), 'postgres'));
      return found?.isReady ? embeddedUrl(found.socketDirectory) : undefined;
    },
    async isReady() {
      const deadline = createDeadline(clock, ANSWER_BOUND_MS);
      try {
        const reply = await fetch(`${origin}/readyz`, { signal: deadline.signal });
        await reply.arrayBuffer();
        return reply.ok;
      } finally {
        deadline.done();
      }
    },
    command: (given) => runCommand([...command, ...given, '--data', dataNamed], { cwd, env }),
  };
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
