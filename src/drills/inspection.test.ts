/**
 * What a drill reads of a real server's database once all is quiet.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '#base/clock';
import { locateDatabase, makeTestDirectory } from '#fixtures/database';
import { startTestServer, type TestServer } from '#server/server.fixture';
import { pairPath } from './inspection.fixture.ts';
import { type Inspection, openInspection } from './inspection.ts';

const QUIET_MS_MAX = 120_000;
const directory = makeTestDirectory();
const { signal } = new AbortController();
let server: TestServer;
let inspection: Inspection;

async function tell(event: string, key: string): Promise<void> {
  assert.equal((await server.send('POST', `/v1/pair/${event}`, { key })).status, 204);
}

const eventsOf = async (stream: string) => {
  await inspection.untilQuiet(new Set(), QUIET_MS_MAX);
  return Object.fromEntries(await inspection.eventsOf(stream));
};

before(async () => {
  server = await startTestServer({ systems: [pairPath], dataDirectory: directory });
  const inspected = { directory, systems: [pairPath] };
  inspection = await openInspection(locateDatabase(directory), inspected, { clock: systemClock, signal });
});
after(async () => {
  await inspection?.close();
  await server?.stop();
});

test('a stream without events has none, and reading it ends', async () => {
  assert.deepEqual(await eventsOf('pair'), {});
});

test('events of a key keep their order, and are called by their name whatever their version', async () => {
  for (const event of ['opened', 'closed', 'opened']) await tell(event, 'a');
  await tell('opened', 'b');
  const expected = { a: ['pair.opened', 'pair.closed', 'pair.opened'], b: ['pair.opened'] };
  assert.deepEqual(await eventsOf('pair'), expected);
});

test('of several streams of one system each has its own, also where another one has the newest event', async () => {
  assert.deepEqual(await eventsOf('pair_more'), {});
  await tell('seen', 'a');
  assert.deepEqual(await eventsOf('pair_more'), { a: ['pair.seen'] });
  assert.deepEqual((await eventsOf('pair')).b, ['pair.opened']);
});
