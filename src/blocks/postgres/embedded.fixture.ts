/**
 * What the tests of the embedded Postgres share: scratch directories, servers in this process and in others.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { DIRECTORY_NAMES } from './directory/database-file.ts';
import {
  createEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  type PostgresState,
  SUPERUSER_NAME,
} from './embedded.ts';
import { identifyProcess, postgresProcessesIn } from './process/process-identity.ts';
import { removeSocketDirectory, socketDirectoryOf } from './process/socket-directory.ts';
import { realDirectory } from './site.ts';

export const IS_ROOT = process.getuid?.() === 0;
export const NOBODY = { uid: 65534, gid: 65534 };
export const never = (): AbortSignal => new AbortController().signal;

/** Where a clean-up may be left: a test, or a file's own `after`. */
export interface Scope {
  after(run: () => Promise<void> | void): void;
}

const undos = new WeakMap<Scope, (() => Promise<void> | void)[]>();

/** Runs at the end of the test, last first: node:test's own hooks run first first, and would delete what still runs. */
export function atEnd(t: Scope, undo: () => Promise<void> | void): void {
  const known = undos.get(t);
  if (known) return void known.push(undo);
  const stack = [undo];
  undos.set(t, stack);
  t.after(async () => {
    for (const next of stack.toReversed()) await next();
  });
}

/** A directory of the test's own, gone when the test ends. */
export function scratchDirectory(t: Scope): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-embedded-')));
  atEnd(t, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function postgresAt(
  directory: string,
  more: Partial<EmbeddedPostgresOptions> = {},
  report: (line: string) => void = () => {},
): EmbeddedPostgres {
  return createEmbeddedPostgres(
    { directory, startTimeoutMs: 60_000, ...more },
    { clock: systemClock, random: systemRandom, log: silentLog, report },
  );
}

/** Started, and stopped when the test ends, whatever happens in between. */
export async function startedAt(
  t: Scope,
  directory: string,
  more: Partial<EmbeddedPostgresOptions> = {},
  report: (line: string) => void = () => {},
): Promise<EmbeddedPostgres> {
  const it = postgresAt(directory, more, report);
  atEnd(t, () => it.stop(AbortSignal.abort()));
  await it.start(never());
  return it;
}

export function statesOf(it: EmbeddedPostgres): PostgresState[] {
  const states: PostgresState[] = [];
  it.onChange((state) => states.push(state));
  return states;
}

export async function query(address: { host: string; port: number; database: string }, text: string) {
  const client = new pg.Client({ ...address, user: SUPERUSER_NAME });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

export interface ForeignServer {
  child: ChildProcess;
  /** The next event it tells: `ready` with its address and Postgres's pid, `failed` with code and detail, `stopped`. */
  next(): Promise<Record<string, string | number>>;
  kill(name: NodeJS.Signals): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('./serve.fixture.ts', import.meta.url));

/**
 * An embedded Postgres in a server process of its own.
 * @param through a command that runs the one it is given, such as `unshare --mount`
 */
export function serveElsewhere(
  t: Scope,
  options: { directory: string } & Partial<EmbeddedPostgresOptions>,
  {
    as,
    through = [],
    faults,
  }: { as?: { uid: number; gid: number }; through?: string[]; faults?: string } = {},
): ForeignServer {
  const [file = '', ...args] = [...through, process.execPath, SCRIPT, JSON.stringify(options)];
  const env = faults === undefined ? process.env : { ...process.env, LOADSTONE_FAULTS: faults };
  const child = spawn(file, args, { ...as, env, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit');
  const uid = as?.uid ?? process.getuid?.() ?? -1;
  const sockets = new Set<string>();
  const kill = async (name: NodeJS.Signals) => {
    child.kill(name);
    await exited;
  };
  atEnd(t, async () => {
    await kill('SIGKILL');
    const directories = DIRECTORY_NAMES.map((name) => join(dirname(options.directory), name));
    await eventually('no Postgres is left', () =>
      directories.every((directory) => postgresProcessesIn(directory).length === 0),
    );
    // A killed server cannot remove them, and no other starts here.
    if (existsSync(dirname(options.directory))) {
      for (const directory of directories) sockets.add(socketDirectoryOf(realDirectory(directory), uid));
    }
    for (const directory of sockets) removeSocketDirectory(directory);
  });
  return {
    child,
    kill,
    async next() {
      const line = await lines.next();
      assert(!line.done, 'the other server ended without a word');
      const told = JSON.parse(line.value);
      if (told.host) sockets.add(told.host);
      return told;
    },
  };
}

/** Whether another user can read this checkout and run this Node. */
export function othersMayRun({ uid, gid }: { uid: number; gid: number }): boolean {
  if (!IS_ROOT) return false;
  const run = spawnSync(process.execPath, [SCRIPT, '--check'], { uid, gid, cwd: '/' });
  return run.status === 0;
}

/** Lets another user enter a scratch directory. */
export function giveTo(directory: string, { uid, gid }: { uid: number; gid: number }): void {
  chownSync(directory, uid, gid);
  chmodSync(directory, 0o700);
}

export const isGone = (pid: number): boolean => identifyProcess(pid) === undefined;
