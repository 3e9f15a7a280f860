/**
 * Redis servers of the tests' own: each on a free port of 127.0.0.1, in a temporary directory, with nothing kept on disk.
 * They can be killed, paused and started again on their port.
 *
 * Debian has the program in `redis-tools`, under the name of its checker: called by the name of the server it is one.
 * Installing that starts nothing, where the package `redis-server` would start a shared one on 6379.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

const DEBIAN_PROGRAM = '/usr/bin/redis-check-rdb';
/** By what another program took the port between its choice and its use. */
const STARTS_MAX = 5;

/** The program that is there: the server by its name, or Debian's by a name to be given to it. */
function findProgram(): { path: string; isNamed: boolean } | undefined {
  if (spawnSync('redis-server', ['--version']).status === 0) return { path: 'redis-server', isNamed: true };
  return existsSync(DEBIAN_PROGRAM) ? { path: DEBIAN_PROGRAM, isNamed: false } : undefined;
}

const program = findProgram();
const skip = program === undefined && 'redis-server is missing: apt-get install redis-tools';

/** A test that needs a Redis; skipped, and counted as such at the end of the run, where there is none. */
export function redisTest(name: string, run: () => Promise<void>): void {
  test(name, { skip }, run);
}

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** By SIGKILL: it says goodbye to nobody. */
  kill(): Promise<void>;
  /** By SIGSTOP: connections stay open, and nothing answers. */
  pause(): void;
  resume(): void;
  /** After `kill`: on the same port, and empty. */
  restart(): Promise<void>;
  /** Runs one command. @throws Error with what the server says */
  ask(...command: readonly (string | number)[]): string;
  /** Kills it if it runs, and removes what it has left. */
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  return address.port;
}

/** @returns undefined when it has ended before it was ready @throws Error when it cannot be run */
async function launch(
  directory: string,
  port: number,
  args: readonly string[],
): Promise<ChildProcess | undefined> {
  if (!program) throw new Error(`${skip}`);
  const named = join(directory, 'redis-server');
  if (!program.isNamed && !existsSync(named)) symlinkSync(program.path, named);
  const fixed = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const child = spawn(program.isNamed ? program.path : named, [...fixed, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // A test that ends without stopping it takes it along.
  const onExit = () => child.kill('SIGKILL');
  process.on('exit', onExit);
  child.once('exit', () => process.off('exit', onExit));
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    if (!line.includes('Ready to accept connections')) continue;
    child.stdout.resume();
    // A test that has failed and left it running ends all the same.
    child.unref();
    (child.stdout as Socket).unref();
    return child;
  }
  return undefined;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.ref();
  child.kill('SIGKILL');
  await ended;
}

/** @param args further options of redis-server */
export async function startRedis(...args: readonly string[]): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'ls-redis-'));
  let port = 0;
  let child: ChildProcess | undefined;
  for (let starts = 0; child === undefined; starts++) {
    if (starts === STARTS_MAX) throw new Error(`redis-server did not start, ${STARTS_MAX} times`);
    port = await freePort();
    child = await launch(directory, port, args);
  }
  let running = child;
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => end(running),
    pause: () => void running.kill('SIGSTOP'),
    resume: () => void running.kill('SIGCONT'),
    async restart() {
      const next = await launch(directory, port, args);
      if (!next) throw new Error(`redis-server did not start again on ${port}`);
      running = next;
    },
    ask(...command) {
      const given = ['-h', '127.0.0.1', '-p', `${port}`, '-e', ...command.map(String)];
      const { status, stdout, stderr } = spawnSync('redis-cli', given, { encoding: 'utf8', timeout: 60_000 });
      if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}${stdout}`);
      return stdout.trimEnd();
    },
    async stop() {
      await end(running);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
