/**
 * The real command in real processes, for tests. A scene owns what it starts and leaves nothing behind: no process, no
 * Postgres, no directory.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { sleep, systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import { copyMigrated } from '#server/migrated.fixture';

export const ROOT = join(import.meta.dirname, '..', '..');
export const IS_ROOT = process.getuid?.() === 0;
/** An account that every Linux has and nobody uses. */
export const NOBODY = { uid: 65534, gid: 65534 };

export const FREE_PORT = '127.0.0.1:0';

const EXIT_BOUND_MS = 300_000;
/** For what a test has left running. */
const STOP_BOUND_MS = 60_000;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process and what it has said so far. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Rejects when it has not ended in time. */
  exited(boundMs?: number): Promise<Exit>;
  hasExited(): boolean;
}

export interface RunOptions {
  cwd?: string;
  /** On top of a clean environment. */
  env?: Record<string, string>;
  as?: { uid: number; gid: number };
  /** In a process group of its own, which a terminal's signal is sent to as a whole. */
  detached?: boolean;
  /** What runs the program; the default is this Node with the bootstrap of this checkout. */
  command?: readonly [string, ...string[]];
  /** How long it may take to end, for `run`. */
  boundMs?: number;
}

export interface StartOptions extends RunOptions {
  /** A directory of the scene; a new one by default. */
  data?: string;
  /** Arguments of `start`; by default the data directory and a free port. */
  args?: readonly string[];
  /** It makes its database itself, as a user's first start does; by default it finds one that has been prepared. */
  isFresh?: boolean;
  /** The API key, where the start does not print one. */
  key?: string;
}

export interface RequestOptions {
  method?: string;
  body?: unknown;
  key?: string;
}

/** A server that is ready. */
export interface Loadstone extends Running {
  readonly url: string;
  readonly key: string;
  readonly data: string;
  /** From the spawn to the first good answer of /readyz. */
  readonly readyMs: number;
  /** Follows no redirect. */
  request(path: string, options?: RequestOptions): Promise<Response>;
  /** The code of a new link to `url`. */
  shorten(url: string): Promise<string>;
  /** Where a code leads; undefined if nowhere. */
  follow(code: string): Promise<string | undefined>;
  /** As Ctrl-C does. */
  stop(): Promise<Exit>;
  kill9(): Promise<void>;
}

export interface Scene {
  /** A new directory with a real path. */
  directory(): string;
  /** Starts the command with these arguments. */
  spawn(args: readonly string[], options?: RunOptions): Running;
  /** Runs the command to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Exit & { stdout: string; stderr: string }>;
  /** Starts a server on a free port and waits until it is ready. */
  start(options?: StartOptions): Promise<Loadstone>;
  /** Undoes something when the test ends, before what was there earlier is undone. */
  onEnd(undo: () => Promise<void> | void): void;
}

export const BOOTSTRAP: readonly [string, ...string[]] = [
  process.execPath,
  join(ROOT, 'bin', 'npm-script.mjs'),
  'src/cli/main.ts',
];

export function createScene(hooks: { after(undo: () => Promise<void>): void }): Scene {
  const undoing: (() => Promise<void> | void)[] = [];
  hooks.after(async () => {
    for (const undo of undoing.reverse()) await undo();
  });

  function directory(): string {
    const made = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-cli-')));
    undoing.push(async () => {
      await noPostgresIn(made);
      rmSync(made, { recursive: true, force: true });
    });
    return made;
  }

  function spawnIn(args: readonly string[], options: RunOptions = {}): Running {
    const running = spawnCommand(args, options);
    undoing.push(async () => {
      if (running.hasExited()) return;
      signalAll(running, options, 'SIGTERM');
      await running.exited(STOP_BOUND_MS).catch(() => signalAll(running, options, 'SIGKILL'));
      await running.exited();
    });
    return running;
  }

  return {
    directory,
    onEnd: (undo) => void undoing.push(undo),
    spawn: spawnIn,
    async run(args, options) {
      const running = spawnIn(args, options);
      const exit = await running.exited(options?.boundMs);
      return { ...exit, stdout: running.stdout(), stderr: running.stderr() };
    },
    async start(options = {}) {
      const beganMs = systemClock.monotonicMs();
      const data = options.data ?? join(directory(), 'data');
      const args = options.args ?? ['--data', data, '--listen', FREE_PORT];
      const isPrepared = !options.isFresh && options.as === undefined && args.includes(data);
      if (isPrepared) await copyMigrated(data);
      const running = spawnIn(['start', ...args], { cwd: join(data, '..'), ...options });
      return ready(running, { data, key: options.key, beganMs });
    },
  };
}

/** A Node on the path that cannot run the program itself, as a host may have; undefined if there is none. */
export function findOlderNode(): string | undefined {
  const env = cleanEnvironment();
  for (const directory of (env.PATH ?? '').split(delimiter)) {
    const file = join(directory, 'node');
    const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8', env });
    const major = Number(/^v(\d+)\./.exec(stdout ?? '')?.[1]);
    if (major >= 18 && major < 24) return file;
  }
  return undefined;
}

/** The two lines that a start prints to be pasted. */
export function curlLines(server: Running): string[] {
  return server
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('  curl '));
}

/** What a test run adds to its environment must not reach the command; nor must the caller's own settings. */
export function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(LOADSTONE_|npm_|NODE_(TEST|V8|OPTIONS|COMPILE|PATH|ENV)|INIT_CWD)/i.test(name) ||
      /^npm_config_(registry|cafile|(https?_|no)?proxy)$/i.test(name),
  );
  const path = (process.env.PATH ?? '').split(delimiter).filter((part) => !part.includes('node_modules'));
  return Object.fromEntries([...kept, ['PATH', path.join(delimiter)]]) as Record<string, string>;
}

function spawnCommand(args: readonly string[], options: RunOptions): Running {
  const [file, ...before] = options.command ?? BOOTSTRAP;
  const isOwn = options.command === undefined && !options.detached;
  const child = spawn(file, [...before, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...cleanEnvironment(), ...options.env },
    // The channel ends the server when this test is killed.
    stdio: ['ignore', 'pipe', 'pipe', ...(isOwn ? (['ipc'] as const) : [])],
    detached: options.detached ?? false,
    ...options.as,
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      said[name] += chunk;
    });
  }
  let exit: Exit | undefined;
  const closed = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });
  closed.catch(() => {});
  return {
    pid: child.pid ?? 0,
    child,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    hasExited: () => exit !== undefined,
    async exited(boundMs = EXIT_BOUND_MS) {
      const limit = new AbortController();
      const late = sleep(systemClock, boundMs, limit.signal).then(() => {
        throw new Error(
          `pid ${child.pid} did not end in ${boundMs} ms; it said: ${said.stdout}${said.stderr}`,
        );
      });
      late.catch(() => {});
      return Promise.race([closed, late]).finally(() => limit.abort());
    },
  };
}

function signalAll({ pid }: Running, { detached }: RunOptions, signal: NodeJS.Signals): void {
  try {
    process.kill(detached ? -pid : pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function ready(
  running: Running,
  known: { data: string; key: string | undefined; beganMs: number },
): Promise<Loadstone> {
  const find = (pattern: RegExp) => pattern.exec(running.stdout())?.[1];
  await eventually(
    'an address is printed',
    () =>
      running.hasExited() ||
      (running.stdout().includes(' s  listening\n') && running.stdout().endsWith('\n\n')),
  );
  assert(!running.hasExited(), `it ended: ${running.stdout()}${running.stderr()}`);
  const url = find(/^ {2}address +(\S+)/m) as string;
  await eventually('it is ready', async () => (await fetch(`${url}/readyz`)).ok);
  const readyMs = systemClock.monotonicMs() - known.beganMs;
  const key = known.key ?? find(/^ {2}API key +(\S+)/m) ?? '';

  const request = (path: string, { method = 'GET', body, key: other = key }: RequestOptions = {}) =>
    fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        authorization: `Bearer ${other}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    ...running,
    ...known,
    url,
    key,
    readyMs,
    request,
    async shorten(target) {
      const reply = await request('/v1/shorten', { method: 'POST', body: { url: target } });
      const answer = (await reply.json()) as { code: string };
      assert.equal(reply.status, 201, JSON.stringify(answer));
      return answer.code;
    },
    async follow(code) {
      const reply = await request(`/${code}`);
      await reply.arrayBuffer();
      return reply.headers.get('location') ?? undefined;
    },
    async stop() {
      process.kill(running.pid, 'SIGINT');
      return running.exited();
    },
    async kill9() {
      process.kill(running.pid, 'SIGKILL');
      await running.exited();
    },
  };
}

/** The processes whose command line or working directory is at or below `directory`; empty without a /proc. */
export function processesIn(directory: string): number[] {
  const isBelow = (arg: string) => {
    // A process of ours has its title where its command line was.
    const path = /^loadstone: .* \((.*)\)$/.exec(arg)?.[1] ?? arg;
    return path === directory || path.startsWith(`${directory}/`);
  };
  return processes()
    .filter(({ cwd, args }) => isBelow(cwd) || args.some(isBelow))
    .map(({ pid }) => pid);
}

/** The processes of Postgres that belong to a data directory. */
export function postgresIn(directory: string): number[] {
  const wanted = new Set(processesIn(directory));
  return processes()
    .filter(({ pid, name }) => wanted.has(pid) && name === 'postgres')
    .map(({ pid }) => pid);
}

/** The postmaster among them: the one whose command line names the directory. */
export function postmasterIn(directory: string): number {
  const [pid, ...others] = processes()
    .filter(({ name, args }) => name === 'postgres' && args.some((arg) => arg.startsWith(directory)))
    .map(({ pid }) => pid);
  assert(pid !== undefined && others.length === 0, `one postmaster in ${directory}`);
  return pid;
}

function processes(): { pid: number; name: string; cwd: string; args: string[] }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .map(Number)
    .filter(Number.isInteger)
    .flatMap((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        return [{ pid, name, args, cwd: readlinkSync(`/proc/${pid}/cwd`) }];
      } catch {
        return [];
      }
    });
}

/** Postgres must be gone soon after its server; what is not is killed, and is a failure. */
export async function noPostgresIn(directory: string): Promise<void> {
  try {
    await eventually('no Postgres is left', () => postgresIn(directory).length === 0);
  } catch (error) {
    for (const pid of postgresIn(directory)) process.kill(pid, 'SIGKILL');
    throw error;
  }
}
