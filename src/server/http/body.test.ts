/**
 * Bodies through a real listener: what all of them may take together, and how they end.
 */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, test } from 'node:test';
import { isLoadstoneError } from '#base/errors';
import { type Bodies, createBodies } from './body.ts';
import { type Client, openClient, startTestListener, type TestListener } from './listener.fixture.ts';

const BODIES_MAX = 16 * 1024 * 1024;

describe('bodies', () => {
  let it: TestListener;
  let bodies: Bodies;
  afterEach(() => it.stop());

  async function start(): Promise<void> {
    bodies = createBodies({ bodyBytesMax: 1_048_576, bodiesBytesMax: BODIES_MAX });
    const handler = async (request: IncomingMessage, response: ServerResponse) => {
      const told = await bodies.readJson(request, response).then(
        (value) => JSON.stringify(value),
        (error: unknown) => {
          assert(isLoadstoneError(error));
          response.statusCode = error.status;
          return error.code;
        },
      );
      response.setHeader('content-length', Buffer.byteLength(told));
      response.end(told);
    };
    it = await startTestListener((request, response) => void handler(request, response));
  }

  function post(client: Client, bytes: string, length = bytes.length): void {
    client.socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${bytes}`);
  }

  test('all together have a bound: past it one more is 503, and free again when others are done', async () => {
    await start();
    const almost = ' '.repeat(1_048_575);
    const held: Client[] = [];
    for (let n = 0; n < 17; n++) {
      const client = openClient(it.port);
      held.push(client);
      post(client, almost, 1_048_576);
      // One after the other, so that it is the last that finds no room.
      while (n < 16 && bodies.heldBytes() < (n + 1) * 1_048_576) await new Promise(setImmediate);
    }
    const [last] = held.slice(-1) as [Client];
    await last.until(() => last.answers().length === 1);
    assert.deepEqual(last.answers(), [{ status: 503, body: 'bodies_busy' }]);
    assert(bodies.heldBytes() <= BODIES_MAX);
    const [first] = held as [Client];
    first.socket.write('1');
    await first.until(() => first.answers().length === 1);
    assert.deepEqual(first.answers(), [{ status: 200, body: '1' }]);
    const next = openClient(it.port);
    post(next, '{"a":1}');
    await next.until(() => next.answers().length === 1);
    assert.deepEqual(next.answers(), [{ status: 200, body: '{"a":1}' }]);
    for (const client of [...held, next]) client.socket.destroy();
    while (bodies.heldBytes() > 0) await new Promise(setImmediate);
  });

  test('a body sent byte by byte takes no more than its bytes', async () => {
    await start();
    const client = openClient(it.port);
    client.socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    client.socket.write('1\r\n \r\n'.repeat(20_000));
    client.socket.write('1\r\n7\r\n');
    while (bodies.heldBytes() < 20_000) await new Promise(setImmediate);
    assert(bodies.heldBytes() <= 65_536, `${bodies.heldBytes()} held for 20,001 bytes`);
    client.socket.write('0\r\n\r\n');
    await client.until(() => client.answers().length === 1);
    assert.deepEqual(client.answers(), [{ status: 200, body: '7' }]);
    client.socket.destroy();
  });

  test('a body that is no HTTP any more is refused where it is read', async () => {
    await start();
    const client = openClient(it.port);
    client.socket.write(
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n7\r\nnonsense\r\n',
    );
    await client.closed;
    assert.deepEqual(client.answers(), [{ status: 400, body: 'request_malformed' }]);
    client.socket.destroy();
  });
});
