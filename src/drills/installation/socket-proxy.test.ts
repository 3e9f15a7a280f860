/**
 * The network of a drill, before a server that sends everything back.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { type SocketProxy, startSocketProxy } from './socket-proxy.ts';

const BOUND_MS = 10_000;
/** Of what is not to arrive: it would in far less. */
const QUIET_MS = 150;

let directory: string;
let proxy: SocketProxy;
const sockets = new Set<Socket>();
const echo = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => {});
  socket.pipe(socket);
});

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'loadstone-net-'));
  const target = join(directory, 'echo.sock');
  echo.listen(target);
  await once(echo, 'listening');
  proxy = await startSocketProxy(systemClock, join(directory, 'net'), () => target);
});

after(async () => {
  await proxy.close();
  for (const socket of sockets) socket.destroy();
  echo.close();
  rmSync(directory, { recursive: true });
});

async function open(): Promise<Socket> {
  const socket = connect(join(proxy.directory, '.s.PGSQL.5432'));
  socket.on('error', () => {});
  sockets.add(socket);
  await once(socket, 'connect');
  return socket;
}

async function hear(socket: Socket): Promise<string> {
  const deadline = createDeadline(systemClock, BOUND_MS);
  const [data] = await once(socket, 'data', { signal: deadline.signal }).finally(deadline.done);
  return String(data);
}

async function hearsNothing(socket: Socket): Promise<boolean> {
  const heard = hear(socket).then(
    () => true,
    () => false,
  );
  return !(await Promise.race([heard, sleep(systemClock, QUIET_MS).then(() => false)]));
}

async function isClosed(socket: Socket): Promise<void> {
  const deadline = createDeadline(systemClock, BOUND_MS);
  if (!socket.destroyed) await once(socket, 'close', { signal: deadline.signal });
  deadline.done();
}

describe('the network between a server and its database', () => {
  test('passes everything while it is open', async () => {
    const socket = await open();
    socket.write('hello');
    assert.equal(await hear(socket), 'hello');
    assert.equal(proxy.connections(), 1);
    socket.destroy();
  });

  test('latency holds back each way, in order', async () => {
    const socket = await open();
    proxy.set({ kind: 'latency', delayMs: 60 });
    const sentMs = systemClock.monotonicMs();
    socket.write('slow');
    assert.equal(await hear(socket), 'slow');
    assert(systemClock.monotonicMs() - sentMs >= 119);
    proxy.set({ kind: 'open' });
    socket.destroy();
  });

  test('what is dropped on its way arrives when the network is well again', async () => {
    const socket = await open();
    proxy.set({ kind: 'drop' });
    socket.write('held');
    assert(await hearsNothing(socket));
    const heard = hear(socket);
    proxy.set({ kind: 'open' });
    assert.equal(await heard, 'held');
    socket.destroy();
  });

  test('a connection that is half open looks well until the network is', async () => {
    const socket = await open();
    socket.write('there?');
    assert.equal(await hear(socket), 'there?');
    proxy.set({ kind: 'half-open' });
    socket.write('still there?');
    assert(await hearsNothing(socket));
    assert(!socket.destroyed);
    proxy.set({ kind: 'open' });
    await isClosed(socket);
    const next = await open();
    next.write('again');
    assert.equal(await hear(next), 'again');
    next.destroy();
  });

  test('a reset breaks what is open, and what is opened', async () => {
    const socket = await open();
    proxy.set({ kind: 'reset' });
    await isClosed(socket);
    const next = await open();
    await isClosed(next);
    proxy.set({ kind: 'open' });
  });
});
