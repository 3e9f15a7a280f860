/**
 * A whole server through its life: start, trouble, stop.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { makeTestDirectory, startTestPostgres } from '#fixtures/database';
import { problem, startTestServer } from './server.fixture.ts';

/** The postmaster's pid as this process sees it. */
function postmasterOf(dataDirectory: string): number | undefined {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (command[0]?.endsWith('/postgres') && command.includes(join(dataDirectory, 'postgres')))
        return Number(entry);
    } catch {
      // The process has ended meanwhile.
    }
  }
  return undefined;
}

describe('server', { skip: process.platform !== 'linux' && 'finds Postgres in /proc' }, () => {
  test('Postgres killed: whatever is not answered is 503 with Retry-After; it comes back, nothing is lost', async () => {
    const it = await startTestServer();
    try {
      const killed = postmasterOf(it.server.dataDirectory);
      assert(killed);
      process.kill(killed, 'SIGKILL');
      const acknowledged: string[] = [];
      let tries = 0;
      const isBack = () => {
        const now = postmasterOf(it.server.dataDirectory);
        return now !== undefined && now !== killed;
      };
      await eventually('recovery', async () => {
        tries += 1;
        const made = await it.send('POST', '/v1/links', {
          url: 'https://example.com/',
          alias: `try-${tries}`,
        });
        assert([201, 503].includes(made.status), `status ${made.status}`);
        if (made.status === 503) assert.match(made.headers.get('retry-after') ?? '', /^\d+$/);
        else acknowledged.push(`try-${tries}`);
        return isBack() && made.status === 201 && (await it.call('/readyz')).status === 200;
      });
      for (const code of acknowledged) assert.equal((await it.call(`/${code}`)).status, 302, code);
    } finally {
      await it.stop();
    }
  });

  test('without Postgres: not ready, writes refused, kept redirects go on, and all is well when it is back', async () => {
    const dataDirectory = makeTestDirectory();
    const postgres = await startTestPostgres(dataDirectory);
    const primary = await postgres.makeDatabase();
    const it = await startTestServer({
      options: { database: { primary } },
      systemOptions: { links: { cacheTtlMs: 0 } },
    });
    try {
      for (const alias of ['kept', 'cold']) {
        assert.equal(
          (await it.send('POST', '/v1/links', { url: 'https://example.com/', alias })).status,
          201,
        );
      }
      assert.equal((await it.call('/kept')).status, 302);
      await postgres.stop();
      const refused = await it.call('/cold');
      assert.equal(refused.status, 503);
      assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
      assert.equal((await it.send('POST', '/v1/shorten', { url: 'https://example.com/' })).status, 503);
      assert.equal((await it.call('/kept')).status, 302, 'what is in memory is answered without Postgres');
      const notReady = await it.call('/readyz');
      assert.equal(notReady.status, 503);
      assert.match(String((await problem(notReady)).detail), /database/);
      assert.equal('detail' in (await problem(await fetch(`${it.url}/readyz`))), false, 'reasons need a key');
      await startTestPostgres(dataDirectory);
      await eventually('recovery', async () => (await it.call('/readyz')).status === 200);
      assert.equal((await it.call('/cold')).status, 302);
    } finally {
      await it.stop();
    }
  });
});

test('a taken port is told before anything else is started', async () => {
  const blocker = createTcpServer().listen(0, '127.0.0.1');
  after(() => blocker.close());
  await new Promise((resolve) => blocker.once('listening', resolve));
  const { port } = blocker.address() as { port: number };
  const dataDirectory = mkdtempSync(join(tmpdir(), 'ls-busy-'));
  after(() => rmSync(dataDirectory, { recursive: true, force: true }));
  const options = { listen: `127.0.0.1:${port}` };
  const starting = startTestServer({ options, dataDirectory, isFresh: true });
  await assert.rejects(starting, { code: 'address_in_use', message: new RegExp(`127\\.0\\.0\\.1:${port}`) });
  assert.equal(readdirSync(dataDirectory).includes('postgres'), false);
});

test('a stopping server fails its readiness, finishes what is in flight and closes', async () => {
  const it = await startTestServer({ options: { http: { drainDelayMs: 300 } } });
  const body = JSON.stringify({ url: 'https://example.com/', alias: 'inflight' });
  const head = `POST /v1/links HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${it.key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const { connect } = await import('node:net');
  const socket = connect(it.port, '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    received += chunk;
  });
  socket.write(head + body.slice(0, 5));
  await eventually('the request to arrive', async () => (await it.call('/livez')).status === 200);
  const stopped = it.stop();
  await eventually('readiness to fail', async () => (await fetch(`${it.url}/readyz`)).status === 503);
  socket.write(body.slice(5));
  await stopped;
  assert.match(received, /^HTTP\/1\.1 201 /);
  assert.match(received, /connection: close/i);
  await assert.rejects(fetch(`${it.url}/livez`), 'the port is closed');
});

test('a request that outlives the drain is cut off at the deadline', async () => {
  const it = await startTestServer();
  const { connect } = await import('node:net');
  const socket = connect(it.port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => {}));
  socket.write('POST /v1/links HTTP/1.1\r\nHost: x\r\n');
  await eventually('the connection', async () => (await it.call('/livez')).status === 200);
  await it.server.stop(AbortSignal.abort(new Error('at once')));
  await closed;
  await it.stop();
});
