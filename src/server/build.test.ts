/**
 * A whole server through its life: start, trouble, stop.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { startTestServer } from './server.fixture.ts';

/** Polls a real condition; bounded. */
async function until(what: string, holds: () => Promise<boolean> | boolean, boundMs = 20_000): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + boundMs;
  while (!(await holds())) {
    assert(systemClock.monotonicMs() < deadlineMs, `${what} did not happen within ${boundMs} ms`);
    await sleep(systemClock, 10);
  }
}

/** The postmaster's pid as this process sees it: the parent of none but holder of the data directory. */
function postmasterOf(dataDirectory: string): number {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (command[0]?.endsWith('/postgres') && command.includes(join(dataDirectory, 'postgres')))
        return Number(entry);
    } catch {
      // The process has ended meanwhile.
    }
  }
  throw new Error(`no postmaster for ${dataDirectory}`);
}

describe('server', { skip: process.platform !== 'linux' && 'finds Postgres in /proc' }, () => {
  test('Postgres killed: 503 with Retry-After, kept redirects go on, back by itself, nothing lost', async () => {
    const it = await startTestServer({ systemOptions: { links: { cacheTtlMs: 0 } } });
    try {
      const made = await it.send('POST', '/v1/links', { url: 'https://example.com/', alias: 'kept' });
      assert.equal(made.status, 201);
      const cold = await it.send('POST', '/v1/links', { url: 'https://example.com/', alias: 'cold' });
      assert.equal(cold.status, 201);
      assert.equal((await it.call('/kept')).status, 302);
      process.kill(postmasterOf(it.server.dataDirectory), 'SIGKILL');
      let refused: Response | undefined;
      await until('a refusal', async () => {
        const response = await it.call('/cold');
        if (response.status !== 302) refused = response;
        assert([302, 503].includes(response.status), `status ${response.status}`);
        const kept = await it.call('/kept');
        assert.equal(kept.status, 302, 'what is in memory is answered without Postgres');
        return refused !== undefined;
      });
      assert.match(refused?.headers.get('retry-after') ?? '', /^\d+$/);
      await until('recovery', async () => (await it.call('/readyz')).status === 200);
      assert.equal((await it.call('/cold')).status, 302);
      const again = await it.send('POST', '/v1/links', { url: 'https://example.com/', alias: 'after' });
      assert.equal(again.status, 201);
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
  const starting = startTestServer({ options: { listen: `127.0.0.1:${port}` }, dataDirectory });
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
  await until('the request to arrive', async () => (await it.call('/livez')).status === 200);
  const stopped = it.stop();
  await until('readiness to fail', async () => (await fetch(`${it.url}/readyz`)).status === 503);
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
  await until('the connection', async () => (await it.call('/livez')).status === 200);
  await it.server.stop(AbortSignal.abort(new Error('at once')));
  await closed;
  await it.stop();
});
