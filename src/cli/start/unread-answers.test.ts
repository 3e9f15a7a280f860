/**
 * Memory of a real process whose clients send all that they can and read nothing. Before requests waited their turn, 40 of
 * these connections took it from 127 MB to 1.9 to 3.2 GB, and 160 ended it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { createScene, type Loadstone } from '../process.fixture.ts';

const KEY = 'a-root-key-for-the-tests-of-memory';
const CONNECTIONS = 40;
const SENT_BYTES = 65_536;
const BODY_BYTES = 1_048_576;
/** What 40 connections may take; they took up to 55 MB (of /metrics), and mostly less than 20. */
const GROWTH_MB_MAX = 128;

const scene = createScene({ after });

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

/** One that pauses before anything comes; what it cannot send stays with it. */
async function deafClient(server: Loadstone, bytes: string | Buffer): Promise<Socket> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  socket.write(bytes);
  return socket;
}

async function attack(server: Loadstone, what: string, bytes: string | Buffer): Promise<void> {
  const before = residentMb(server.pid);
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => deafClient(server, bytes)));
  let most = 0;
  // Honest clients are answered meanwhile, and after enough of them the attack has been read.
  for (let turn = 0; turn < 30; turn++) {
    assert.equal((await server.request('/livez')).status, 200);
    most = Math.max(most, residentMb(server.pid));
  }
  for (const socket of sockets) socket.destroy();
  console.log(`${what}: ${before} MB before, ${most} MB at most`);
  assert(most - before < GROWTH_MB_MAX, `${what}: from ${before} MB to ${most} MB`);
}

describe('memory', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  test('clients that read nothing take little of it, on every kind of route', async () => {
    const server = await scene.start({ key: KEY, env: { LOADSTONE_ROOT_KEY: KEY } });
    const code = await server.shorten('https://example.com/');
    const authorization = `Authorization: Bearer ${KEY}\r\n`;
    for (const path of ['/docs', '/openapi.json', '/metrics', `/${code}`, '/nosuchcode', '/v1/links']) {
      const one = `GET ${path} HTTP/1.1\r\nHost: x\r\n${path === '/v1/links' ? authorization : ''}\r\n`;
      await attack(server, path, one.repeat(SENT_BYTES / one.length));
    }
    const body = Buffer.alloc(BODY_BYTES - 1, ' ');
    for (const line of ['PUT /livez', 'PUT /v1/links', 'POST /v1/links', `POST /${code}`]) {
      const head = `${line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`;
      await attack(server, line, Buffer.concat([Buffer.from(head), body]));
    }
  });
});
