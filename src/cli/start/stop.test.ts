/**
 * Stopping, by every way in which a stop is asked for.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, request as send } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import {
  BOOTSTRAP,
  createScene,
  FREE_PORT,
  findOlderNode,
  type Loadstone,
  noPostgresIn,
  processesIn,
  ROOT,
} from '../process.fixture.ts';

const KEY = 'a-root-key-for-the-stop-tests';
/** Longer than signals count as one. */
const LATER_MS = 600;

const scene = createScene({ after });
const CLEAN = { code: 0, signal: null };
let data: string;

before(() => {
  data = join(scene.directory(), 'data');
});

const start = (options: Parameters<typeof scene.start>[0] = {}) =>
  scene.start({ data, key: KEY, env: { LOADSTONE_ROOT_KEY: KEY }, ...options });

/** A request that the server has begun to read, and that goes on when told to. */
async function begin(server: Loadstone, target: string) {
  const body = JSON.stringify({ url: target });
  const request: ClientRequest = send(`${server.url}/v1/shorten`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${KEY}`,
      'content-type': 'application/json',
      'content-length': body.length,
      expect: '100-continue',
    },
  });
  const replied = once(request, 'response') as Promise<[IncomingMessage]>;
  replied.catch(() => {});
  request.flushHeaders();
  await once(request, 'continue');
  request.write(body.slice(0, 10));
  return {
    replied,
    async finish(): Promise<{ status: number | undefined; code: string }> {
      request.end(body.slice(10));
      const [reply] = await replied;
      return { status: reply.statusCode, code: JSON.parse((await reply.toArray()).join('')).code };
    },
  };
}

const refusesConnections = (server: Loadstone) =>
  fetch(`${server.url}/livez`).then(
    () => false,
    () => true,
  );

/** `DBState` in pg_control (PostgreSQL source, pg_control.h), behind an identifier of 8 and versions of 4 and 4 bytes. */
const STATE_OFFSET = 16;
const STATE_SHUT_DOWN = 1;

/** No Postgres is left, and the next one will have nothing to recover. */
async function isShutDown(): Promise<boolean> {
  await noPostgresIn(data);
  const control = readFileSync(join(data, 'postgres', 'global', 'pg_control'));
  return control.readUInt32LE(STATE_OFFSET) === STATE_SHUT_DOWN;
}

describe('Ctrl-C', () => {
  let acknowledged: string;

  test('readiness fails, what is in flight finishes, Postgres is shut down, and the exit code is 0', async () => {
    const cwd = scene.directory();
    writeFileSync(join(cwd, 'loadstone.yaml'), 'http: {drainDelayMs: 1000}\n');
    const server = await start({ cwd });
    const request = await begin(server, 'https://example.com/in-flight');
    process.kill(server.pid, 'SIGINT');
    await eventually('readiness fails', async () => (await fetch(`${server.url}/readyz`)).status === 503);
    assert.equal((await fetch(`${server.url}/livez`)).status, 200, 'alive until it has ended');
    await eventually('it no longer listens', () => refusesConnections(server));
    assert(!server.hasExited());
    const { status, code } = await request.finish();
    assert.equal(status, 201);
    assert.deepEqual(await server.exited(), CLEAN);
    assert.doesNotMatch(server.stderr(), /"level":"(warn|error|fatal)"/);
    assert(await isShutDown());
    acknowledged = code;
  });

  test('signals within 500 ms are one: what is in flight still finishes', async () => {
    const server = await start();
    assert.equal(await server.follow(acknowledged), 'https://example.com/in-flight');
    const request = await begin(server, 'https://example.com/');
    process.kill(server.pid, 'SIGINT');
    process.kill(server.pid, 'SIGTERM');
    await eventually('it stops', () => server.stdout().includes('  stopping\n'));
    process.kill(server.pid, 'SIGINT');
    await eventually('it no longer listens', () => refusesConnections(server));
    assert.equal((await request.finish()).status, 201);
    assert.deepEqual(await server.exited(), CLEAN);
  });

  test('a second one at least 500 ms later stops at once', async () => {
    const server = await start();
    const { replied } = await begin(server, 'https://example.com/');
    process.kill(server.pid, 'SIGINT');
    await eventually('it stops', () => server.stdout().includes('  stopping\n'));
    await sleep(systemClock, LATER_MS);
    assert(!server.hasExited(), 'it waits for the request');
    process.kill(server.pid, 'SIGINT');
    assert.deepEqual(await server.exited(), { code: 130, signal: null });
    await assert.rejects(replied);
    await noPostgresIn(data);
  });

  test('while it starts, it starts no further', async () => {
    const running = scene.spawn(['start', '--data', join(scene.directory(), 'data'), '--listen', FREE_PORT]);
    await eventually('it creates a database', () => running.stdout().includes('creating a database'));
    process.kill(running.pid, 'SIGINT');
    assert.deepEqual(await running.exited(), CLEAN);
    assert.doesNotMatch(running.stdout(), /listening/);
    assert.match(running.stdout(), /stopped\n$/);
  });
});

describe('the terminal and npm', () => {
  test('SIGINT for the whole process group, as a terminal sends it, is a clean stop', async () => {
    const server = await start({ detached: true });
    process.kill(-server.pid, 'SIGINT');
    assert.deepEqual(await server.exited(), CLEAN);
    assert(await isShutDown());
  });

  test('SIGHUP, as a closed terminal sends it, is one too', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGHUP');
    assert.deepEqual(await server.exited(), CLEAN);
    assert(await isShutDown());
  });

  test('a reader that has gone, as after `npm start | head`, ends nothing', async () => {
    const server = await start();
    server.child.stdout?.destroy();
    server.child.stderr?.destroy();
    for (const path of ['/readyz', '/v1/links', '/unknown']) {
      assert((await server.request(path)).status < 500);
    }
    process.kill(server.pid, 'SIGINT');
    assert.deepEqual(await server.exited(), CLEAN);
    assert(await isShutDown());
  });

  test('nor does a log that cannot be written, as on a full disk', {
    skip: !existsSync('/dev/full') && 'there is no /dev/full',
  }, async () => {
    const command = ['sh', '-c', 'exec "$@" 2> /dev/full', 'sh', ...BOOTSTRAP] as [string, ...string[]];
    const server = await start({ command });
    assert.equal((await server.request('/v1/links')).status, 200);
    process.kill(server.pid, 'SIGINT');
    assert.deepEqual(await server.exited(), CLEAN);
  });

  const throughNpm = { command: ['npm'], cwd: ROOT, detached: true } as const;

  test('Ctrl-C on `npm start` is a clean stop', async () => {
    const server = await scene.start({
      ...throughNpm,
      data,
      key: KEY,
      args: ['--', '--data', data, '--listen', FREE_PORT],
      env: { LOADSTONE_ROOT_KEY: KEY },
    });
    process.kill(-server.pid, 'SIGINT');
    await server.exited();
    assert.match(server.stdout(), /stopping\n.*stopped\n$/);
    assert.deepEqual(await server.exited(), CLEAN);
    assert(await isShutDown());
  });

  test('SIGTERM for npm alone, as containers send it, is a clean stop', async () => {
    const server = await scene.start({
      ...throughNpm,
      data,
      key: KEY,
      args: ['--', '--data', data, '--listen', FREE_PORT],
      env: { LOADSTONE_ROOT_KEY: KEY },
    });
    process.kill(server.pid, 'SIGTERM');
    await server.exited();
    assert.match(server.stdout(), /stopping\n.*stopped\n$/);
    assert(await isShutDown());
  });
});

const older = findOlderNode();

describe('an older Node', { skip: older === undefined && 'there is none on the path' }, () => {
  const options = { command: [older ?? '', ...BOOTSTRAP.slice(1)] as [string, ...string[]] };

  test('hands over, passes signals on and ends as the server ends', async () => {
    const server = await start(options);
    process.kill(server.pid, 'SIGTERM');
    assert.deepEqual(await server.exited(), CLEAN);
    assert(await isShutDown());
  });

  test('when it is killed, the server stops', async () => {
    const server = await start(options);
    await server.kill9();
    await eventually('the server has ended', () => processesIn(data).length === 0);
    assert.match(server.stdout(), /stopped\n$/);
    assert(await isShutDown());
  });
});
