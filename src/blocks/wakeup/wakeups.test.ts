import assert from 'node:assert/strict';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { type Database, LISTEN_APPLICATION, sql } from '#blocks/database';
import { makeTestDirectory, startTestDatabase, type TestDatabase } from '#fixtures/database';
import { wakeupOptions } from './options.ts';
import type { News, Subject } from './subject.ts';
import { createWakeups, type Wakeups } from './wakeups.ts';

let db: TestDatabase;
before(async () => {
  db = await startTestDatabase();
});

const made: Wakeups[] = [];
// One that a failed test has left would try to connect for ever.
after(async () => {
  for (const wakeups of made) await wakeups.stop(deadline());
});

const never = new AbortController().signal;
const deadline = () => AbortSignal.timeout(10_000);
const SUBJECTS: readonly Subject[] = ['outbox', 'log', 'jobs'];

function make(database: Pick<Database, 'core' | 'listen'> = db.database, options = {}): Wakeups {
  const deps = { clock: systemClock, random: systemRandom, log: silentLog, database };
  const wakeups = createWakeups(parseOptions(wakeupOptions, options), deps);
  made.push(wakeups);
  return wakeups;
}

/** A process that listens, and what it has been told. */
async function startListening(database?: Pick<Database, 'core' | 'listen'>) {
  const wakeups = make(database);
  const told: [Subject, News][] = [];
  for (const subject of SUBJECTS) wakeups.on(subject, (news) => void told.push([subject, news]));
  await wakeups.start(never);
  await eventually('it listens', () => wakeups.isListening());
  const hasHeard = (subject: Subject, key: string) =>
    eventually(`news of ${subject} ${key}`, () =>
      told.some(([of, news]) => of === subject && news?.has(key)),
    );
  return { ...wakeups, told, hasHeard };
}

/** The same database, whose notifications are counted. */
function counting({ database }: TestDatabase) {
  const sent: string[] = [];
  const note = (query: { text: string; values: readonly unknown[] }) => {
    if (query.text.includes('pg_notify')) sent.push(String(query.values[1]));
  };
  const counted: Pick<Database, 'core' | 'listen'> = {
    core: database.core,
    async listen(options) {
      const connection = await database.listen(options);
      return {
        ...connection,
        first(query) {
          note(query);
          return connection.first(query);
        },
      };
    },
  };
  return { sent, database: counted };
}

test('what one process tells, the others hear, and it does not itself', async () => {
  const [one, two, three] = [await startListening(), await startListening(), await startListening()];
  one.notify('log', new Map([['7', '42']]));
  await Promise.all([two.hasHeard('log', '7'), three.hasHeard('log', '7')]);
  two.notify('jobs', new Map([['mail', '']]));
  await Promise.all([one.hasHeard('jobs', 'mail'), three.hasHeard('jobs', 'mail')]);
  assert(!one.told.some(([subject, news]) => subject === 'log' && news !== undefined));
  for (const each of [one, two, three]) await each.stop(deadline());
});

test('one that is alone sends nothing; when another comes, it does, and news of one moment go together', async () => {
  const { sent, database } = counting(db);
  const one = await startListening(database);
  await eventually('it has looked for others, and tells nobody', async () => {
    const before = sent.length;
    one.notify('outbox');
    await sleep(systemClock, 20);
    return sent.length === before;
  });
  sent.length = 0;
  const two = await startListening();
  await eventually('it knows of the other', async () => {
    one.notify('outbox');
    await sleep(systemClock, 20);
    return sent.length > 0;
  });
  for (let position = 1; position <= 100; position++)
    one.notify('log', new Map([[String(position % 3), String(position)]]));
  await eventually('the last of them are told', () =>
    two.told.some(([, news]) => news?.get('1') === '100' && news.get('0') === '99'),
  );
  assert(sent.filter((text) => text.includes('"log"')).length <= 3, sent.join('\n'));
  await one.stop(deadline());
  await two.stop(deadline());
});

test('a lost connection is told to whoever waits, is made again, and told again', async () => {
  const [one, two] = [await startListening(), await startListening()];
  await eventually('all were told at the begin', () => one.told.length >= SUBJECTS.length);
  one.told.length = 0;
  await db.admin.run(sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${LISTEN_APPLICATION}`);
  await eventually('that news may have been missed', () =>
    SUBJECTS.every((subject) => one.told.filter(([of, news]) => of === subject && !news).length >= 2),
  );
  await eventually('both listen again', () => one.isListening() && two.isListening());
  two.notify('log', new Map([['1', '2']]));
  await one.hasHeard('log', '1');
  await one.stop(deadline());
  await two.stop(deadline());
});

test('what is told last is sent before the stop, and nothing after it', async () => {
  const [one, two] = [await startListening(), await startListening()];
  // From now on the first knows that it is not alone.
  two.notify('jobs', new Map([['mail', '']]));
  await one.hasHeard('jobs', 'mail');
  one.notify('outbox');
  one.notify('log', new Map([['5', '6']]));
  await one.stop(deadline());
  await two.hasHeard('log', '5');
  one.notify('log', new Map([['8', '9']]));
  assert(!one.isListening());
  await two.stop(deadline());
});

test('who is not to listen opens no connection for it', async () => {
  const wakeups = make(db.database, { listen: false });
  await wakeups.start(never);
  assert(!wakeups.isListening());
  // Sessions that were closed by the tests before may still be there for a moment; one of it would stay.
  await eventually('nobody listens', async () => {
    const row = await db.admin.first<{ sessions: number }>(sql`
      select count(*)::integer as sessions from pg_stat_activity where application_name = ${LISTEN_APPLICATION}`);
    return row?.sessions === 0;
  });
  await wakeups.stop(deadline());
});

/** As a pooler does, it answers a client with another process id than that of the session it gives it. */
function startPooler(socketDirectory: string): { directory: string; server: Server } {
  const directory = makeTestDirectory();
  const file = '.s.PGSQL.5432';
  const server = createServer((client) => {
    const upstream = createConnection(join(socketDirectory, file));
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      // BackendKeyData: a letter, twelve bytes, the process id.
      const at = chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (at >= 0) chunk.writeUInt32BE(chunk.readUInt32BE(at + 5) + 1, at + 5);
      client.write(chunk);
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
    }
  });
  server.listen(join(directory, file));
  return { directory, server };
}

test('behind a pooler nobody listens, but those who do are told', async () => {
  const socketDirectory = decodeURIComponent(
    new URL(db.url.replace('@/', '@x/')).searchParams.get('host') ?? '',
  );
  const { directory, server } = startPooler(socketDirectory);
  const primary = db.url.replace(/host=.*/, `host=${encodeURIComponent(directory)}`);
  const pooled = await startTestDatabase({ options: { primary } });
  const listener = await startListening();
  const wakeups = make(pooled.database);
  await wakeups.start(never);
  await eventually('the listener is told', () => {
    wakeups.notify('jobs', new Map([['mail', '']]));
    return listener.told.some(([, news]) => news?.has('mail'));
  });
  assert(!wakeups.isListening());
  await wakeups.stop(deadline());
  await listener.stop(deadline());
  await pooled.stop();
  server.close();
});

lifecycleSuite('wakeups', async () => make());
