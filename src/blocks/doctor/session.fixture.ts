/**
 * Sessions of other programs, spoken to in Postgres's own protocol (chapter "Frontend/Backend Protocol", version 3.0), so
 * that a test can be what the server is not: another login, an open transaction, a standby.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';

export interface Session {
  /** Sends a text of SQL, and gives the rows of its answers. Rejects with Postgres's message. */
  send(text: string): Promise<string[][]>;
  /** Sends into a copy that `send` has begun. */
  copy(bytes: Buffer): void;
  close(): Promise<void>;
}

interface SessionSettings {
  user?: string;
  database?: string;
  application_name?: string;
  replication?: 'true';
}

/** @param url of a test database, on a Unix socket without a password */
export async function openSession(url: string, settings: SessionSettings = {}): Promise<Session> {
  const directory = decodeURIComponent(/host=([^&]+)/.exec(url)?.[1] ?? '');
  const file = readdirSync(directory).find((name) => /^\.s\.PGSQL\.\d+$/.test(name));
  assert(file, `no socket in ${directory}`);
  const socket = createConnection(join(directory, file));
  await once(socket, 'connect');

  let received = Buffer.alloc(0);
  let rows: string[][] = [];
  let failure: Error | undefined;
  let answer = Promise.withResolvers<string[][]>();

  function settle(): void {
    if (failure) answer.reject(failure);
    else answer.resolve(rows);
  }

  function take(type: string, body: Buffer): void {
    if (type === 'D') rows.push(readRow(body));
    if (type === 'E') failure = new Error(/\0M([^\0]+)/.exec(body.toString())?.[1] ?? 'refused');
    if (type === 'Z' || type === 'W') settle();
  }

  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 5 && received.length > received.readInt32BE(1)) {
      const end = 1 + received.readInt32BE(1);
      take(String.fromCharCode(received[0] as number), received.subarray(5, end));
      received = received.subarray(end);
    }
  });
  // A session that is terminated gets an error, and no more.
  socket.on('error', () => {});
  socket.on('close', () => answer.reject(failure ?? new Error('the session has ended')));

  const given = { user: 'loadstone_super', database: 'loadstone', ...settings };
  const pairs = Object.entries(given).map(([name, value]) => `${name}\0${value}\0`);
  socket.write(frame('', Buffer.from(`\0\x03\0\0${pairs.join('')}\0`)));
  await answer.promise;

  return {
    send(text) {
      rows = [];
      failure = undefined;
      answer = Promise.withResolvers();
      socket.write(frame('Q', Buffer.from(`${text}\0`)));
      return answer.promise;
    },
    copy(bytes) {
      socket.write(frame('d', bytes));
    },
    async close() {
      if (socket.closed) return;
      socket.destroy();
      await once(socket, 'close');
    },
  };
}

function frame(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.length);
  return Buffer.concat([Buffer.from(type), length, body]);
}

function readRow(body: Buffer): string[] {
  const values: string[] = [];
  let at = 2;
  while (values.length < body.readInt16BE(0)) {
    const length = body.readInt32BE(at);
    values.push(length < 0 ? '' : body.toString('utf8', at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  return values;
}

/**
 * A standby that has read everything and then says, by its feedback, that one of its queries still has to see what `xid`
 * saw. @param slot the replication slot that it reads through, if any
 */
export async function openStandby(url: string, xid: string, slot?: string): Promise<Session> {
  const session = await openSession(url, { replication: 'true', application_name: 'standby one' });
  const [system] = await session.send('IDENTIFY_SYSTEM');
  const through = slot === undefined ? '' : `SLOT ${slot} `;
  await session.send(`START_REPLICATION ${through}PHYSICAL ${system?.[2]}`);
  const feedback = Buffer.alloc(25);
  feedback.write('h');
  feedback.writeUInt32BE(Number(xid), 9);
  session.copy(feedback);
  return session;
}
