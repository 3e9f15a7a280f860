import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createPool } from './pool.ts';

/** One message of the protocol (PostgreSQL, 54.7 "Message Formats"). */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const FAREWELL = 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0';

test('a server that is gone in the moment that it takes a connection ends that connection, not the process', async () => {
  // A Postgres whose postmaster dies sends both in one piece if it has just let somebody in.
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const authenticated = message('R', Buffer.alloc(4));
      const ready = message('Z', Buffer.from('I'));
      socket.end(Buffer.concat([authenticated, ready, message('E', Buffer.from(FAREWELL))]));
    });
  });
  server.listen(0, '127.0.0.1');
  after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const failures: unknown[] = [];
  const pool = createPool(
    {
      address: { host: '127.0.0.1', port, database: 'x', user: 'x', ssl: false },
      role: 'loadstone_app',
      connectionsMax: 1,
      waitMax: 10,
      statementTimeoutMs: 1000,
    },
    { clock: systemClock, log: silentLog, onFailure: (error) => failures.push(error) },
  );
  const connection = await pool.connect();
  assert.match(String(connection.lost()), /unexpected postmaster exit/);
  await assert.rejects(connection.control('begin'), { code: 'database_unavailable' });
  connection.release();
  assert.equal(failures.length, 1);
  await pool.close(AbortSignal.timeout(1000));
});
