/**
 * What the tests of the embedded Postgres share: scratch directories, servers in this process and in others.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { sleep, systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import {
  createEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  type PostgresState,
  SUPERUSER_NAME,
} from './embedded.ts';
import { identifyProcess, postgresProcessesIn } from './process-identity.ts';

export const IS_ROOT = process.getuid?.() === 0;
export const NOBODY = { uid: 65534, gid: 65534 };
export const never = (): AbortSignal => new AbortController().signal;

/** A directory of the test's own, gone when the test ends. */
export function scratchDirectory(t: Pick<TestContext, 'after'>): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-test-')));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function eventually(what: string, condition: () => boolean, boundMs = 10_000): Promise<void> {
  const untilMs = systemClock.monotonicMs() + boundMs;
  while (!condition()) {
    assert(systemClock.monotonicMs() < untilMs, `not within ${boundMs} ms: ${what}`);
    await sleep(systemClock, 10);
  }
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
  t: TestContext,
  directory: string,
  more: Partial<EmbeddedPostgresOptions> = {},
  report: (line: string) => void = () => {},
): Promise<EmbeddedPostgres> {
  const it = postgresAt(directory, more, report);
  t.after(() => it.stop(AbortSignal.abort()));
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
  t: TestContext,
  options: { directory: string } & Partial<EmbeddedPostgresOptions>,
  { as, through = [] }: { as?: { uid: number; gid: number }; through?: string[] } = {},
): ForeignServer {
  const [file = '', ...args] = [...through, process.execPath, SCRIPT, JSON.stringify(options)];
  const child = spawn(file, args, { ...as, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit');
  const kill = async (name: NodeJS.Signals) => {
    child.kill(name);
    await exited;
  };
  t.after(async () => {
    await kill('SIGKILL');
    await eventually(
      'no Postgres is left',
      () => postgresProcessesIn(options.directory).length === 0,
      20_000,
    );
  });
  return {
    child,
    kill,
    async next() {
      const line = await lines.next();
      assert(!line.done, 'the other server ended without a word');
      return JSON.parse(line.value);
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

export const isThere = (file: string): boolean => existsSync(file);
