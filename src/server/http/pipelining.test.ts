/**
 * Pipelining through a real listener and real sockets.
 */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { seededRandom } from '#base/random';
import { openClient, startTestListener, type TestListener } from './listener.fixture.ts';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const many = (count: number, make: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => make(n)).join('');

/** Answers each request with its path and body, some ticks later; counts what is under way. */
function createEcho() {
  const counts = { begun: 0, underWay: 0, underWayMost: 0 };
  const handler = (request: IncomingMessage, response: ServerResponse) => {
    counts.begun += 1;
    counts.underWay += 1;
    counts.underWayMost = Math.max(counts.underWayMost, counts.underWay);
    let body = '';
    const answer = () => {
      counts.underWay -= 1;
      const told = `${request.url} ${body}`;
      response.writeHead(200, { 'content-length': told.length });
      response.end(told);
    };
    if (request.readableEnded) setImmediate(answer);
    else request.on('data', (chunk) => (body += chunk)).on('end', () => setImmediate(answer));
  };
  return { counts, handler };
}

describe('pipelining', () => {
  let it: TestListener;
  afterEach(() => it.stop());

  test('thousands of requests in few chunks are answered in their order, one at a time', async () => {
    const { counts, handler } = createEcho();
    it = await startTestListener(handler);
    const client = openClient(it.port);
    client.socket.write(many(3000, (n) => get(`/${n}`)));
    await client.until(() => client.endsWith('/2999 '));
    const answers = client.answers();
    assert.deepEqual(
      answers.map(({ body }) => body),
      Array.from({ length: 3000 }, (_, n) => `/${n} `),
    );
    assert.equal(counts.underWayMost, 1);
    client.socket.write(get('/again'));
    await client.until(() => client.endsWith('/again '));
    client.socket.end();
    await client.closed;
  });

  test('requests cut anywhere, with bodies and without, behind a parse that has stopped', async () => {
    const { handler } = createEcho();
    it = await startTestListener(handler, { pipelinedMax: 3 });
    const random = seededRandom(7);
    const below = (bound: number) => Math.floor(random.fraction() * bound);
    for (let round = 0; round < 8; round++) {
      const wanted: string[] = [];
      let bytes = '';
      for (let n = 0; n < 60; n++) {
        const body = n % 7 === 0 ? 'b'.repeat(below(40)) : '';
        wanted.push(`/${n} ${body}`);
        bytes += body === '' ? get(`/${n}`) : post(`/${n}`, body);
      }
      const client = openClient(it.port);
      client.socket.setNoDelay(true);
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + below(200);
        client.socket.write(bytes.slice(at, at + size));
        at += size;
        if (below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await client.until(() => client.answers().length === wanted.length);
      assert.deepEqual(
        client.answers().map(({ body }) => body),
        wanted,
      );
      client.socket.destroy();
    }
  });

  test('a client that has shut down its side gets all its answers, then the end', async () => {
    const { handler } = createEcho();
    it = await startTestListener(handler);
    for (const count of [1, 8, 100]) {
      const client = openClient(it.port);
      client.socket.end(many(count, (n) => get(`/${n}`)));
      await client.closed;
      assert.equal(client.answers().length, count);
    }
  });

  test('what cannot be read is refused behind the answers to what came before it', async () => {
    const { handler } = createEcho();
    it = await startTestListener(handler);
    for (const count of [1, 7, 8, 9, 16, 100]) {
      const client = openClient(it.port);
      client.socket.write(`${many(count, (n) => get(`/${n}`))}GARBAGE\r\n\r\n${'x'.repeat(100)}`);
      await client.closed;
      const statuses = client.answers().map(({ status }) => status);
      assert.deepEqual(statuses, [...Array(count).fill(200), 400], `behind ${count}`);
      client.socket.destroy();
    }
  });

  test('behind `Connection: close` nothing is done, refused or lost', async () => {
    const { counts, handler } = createEcho();
    it = await startTestListener(handler);
    for (const behind of [get('/never'), 'GARBAGE\r\n\r\n', 'x'.repeat(200_000), post('/never', 'abc')]) {
      const client = openClient(it.port);
      client.socket.write(
        `${get('/first')}POST /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab${behind}`,
      );
      await client.closed;
      assert.deepEqual(
        client.answers().map(({ body }) => body),
        ['/first ', '/last ab'],
      );
      client.socket.destroy();
    }
    assert.equal(counts.begun, 8);
  });

  test('an answer that closes ends the connection: what waits behind it is not done', async () => {
    const done: string[] = [];
    it = await startTestListener((request, response) => {
      done.push(request.url ?? '');
      if (request.url === '/2') response.setHeader('connection', 'close');
      setImmediate(() => response.end());
    });
    const client = openClient(it.port);
    client.socket.write(many(6, (n) => get(`/${n}`)));
    await client.closed;
    assert.deepEqual(done, ['/0', '/1', '/2']);
  });

  test('dozens of bodies at once: those that are taken are answered, and the last answer says that it is the last', async () => {
    const { counts, handler } = createEcho();
    it = await startTestListener(handler);
    const client = openClient(it.port);
    client.socket.write(many(12, (n) => post(`/${n}`, 'x')));
    await client.until(() => client.answers().length === 12);
    client.socket.write(many(200, (n) => post(`/${n}`, 'y')));
    await client.closed;
    assert.equal(client.answers().length, 12 + 16);
    assert.equal(counts.begun, 12 + 16);
    assert.match(client.received().slice(client.received().lastIndexOf('HTTP/1.1')), /connection: close/i);
  });

  test('a client that reads nothing has few requests taken, and is closed after a while', async () => {
    const big = Buffer.alloc(1_000_000, 'x');
    let begun = 0;
    const cut = new Promise<void>((resolve) => {
      const handler = (_request: IncomingMessage, response: ServerResponse) => {
        begun += 1;
        response.on('close', () => !response.writableFinished && resolve());
        response.end(big);
      };
      startTestListener(handler, { unreadMsMax: 200 }).then((started) => {
        it = started;
        const client = openClient(it.port);
        client.socket.pause();
        client.socket.write(many(2000, (n) => get(`/${n}`)));
      });
    });
    await cut;
    assert(begun < 12, `${begun} were begun: what the kernel has taken, and one more`);
    assert(it.logs.some(({ msg }) => msg === 'closed connections that read no answers'));
  });

  test('a client that reads slowly is not closed', async () => {
    const big = Buffer.alloc(12_000_000, 'x');
    it = await startTestListener((_request, response) => response.end(big), { unreadMsMax: 400 });
    const { socket } = openClient(it.port);
    socket.removeAllListeners('data');
    socket.write(get('/'));
    let length = 0;
    let reads = 0;
    await new Promise<void>((resolve, reject) => {
      socket.on('close', () => reject(new Error(`closed after ${length} bytes`)));
      socket.on('data', (chunk) => {
        length += chunk.length;
        if (length > big.length) resolve();
        reads += 1;
        if (reads % 40 !== 0) return;
        socket.pause();
        systemClock.after(80, () => socket.resume());
      });
    });
    socket.destroy();
  });
});
