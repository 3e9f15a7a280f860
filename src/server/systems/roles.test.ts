/**
 * Processes of different roles, and of different systems, in one database: each does its part, and none stands in for a
 * part that it does not know.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { startTestPostgres } from '#fixtures/database';
import { startTestServer, type TestServer } from '../server.fixture.ts';

/** A system with a schedule that runs every second. */
const TICKS = `import { defineQueue, defineSystem, handleQueue, optionsSchema, Type } from 'loadstone';
const due = defineQueue('ticks_due', Type.Integer());
export default defineSystem({
  name: 'ticks',
  summary: 'Ticks every second.',
  options: optionsSchema({}),
  queues: [due],
  schedules: [due.schedule({ name: 'ticks', pattern: '* * * * * *', payload: () => 1, workspaceId: '1', bucket: 0 })],
  create: () => ({ routes: [], jobs: [handleQueue(due, { concurrency: 1, handle: async () => {} })] }),
});
`;

const TIMES = { outbox: { leaseMs: 1000 } };
const masterKey = Buffer.alloc(32, 7).toString('base64url');

describe('roles and systems', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ls-roles-'));
  let primary: string;
  let ticks: string;
  const running: TestServer[] = [];

  async function start(options: Record<string, unknown>, systems: readonly string[]): Promise<TestServer> {
    const started = await startTestServer({
      options: { database: { primary }, ...TIMES, ...options },
      systems,
      masterKey,
    });
    running.push(started);
    return started;
  }

  async function signal(server: TestServer, name: string, label = ''): Promise<number> {
    const text = await (await server.call('/metrics')).text();
    const line = text.split('\n').find((each) => each.startsWith(name) && each.includes(label));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  const handled = (server: TestServer) =>
    signal(server, 'loadstone_stream_events_handled_total', 'group="links_counts"');
  const ticked = (server: TestServer) =>
    signal(server, 'loadstone_queue_attempt_seconds_count', 'queue="ticks_due"');

  async function makeLink(server: TestServer): Promise<string> {
    const made = await server.send('POST', '/v1/shorten', { url: 'https://example.com/' });
    assert.equal(made.status, 201);
    return ((await made.json()) as { code: string }).code;
  }

  async function stopAll(): Promise<void> {
    for (const server of running.splice(0)) await server.stop();
  }

  before(async () => {
    const postgres = await startTestPostgres();
    primary = await postgres.makeDatabase();
    ticks = join(directory, 'ticks');
    mkdirSync(ticks);
    writeFileSync(join(ticks, 'index.mts'), TICKS);
  });
  afterEach(stopAll);
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('an api takes requests and leaves the rest to workers, which take no requests', async () => {
    const api = await start({ role: 'api' }, ['links', ticks]);
    const code = await makeLink(api);
    assert.equal((await api.call(`/${code}`)).status, 302);
    assert.equal(await signal(api, 'loadstone_outbox_leading'), 0);

    const worker = await start({ role: 'worker' }, ['links', ticks]);
    assert.equal((await worker.call('/readyz')).status, 200);
    assert.equal((await api.call('/readyz')).status, 200);
    for (const path of [`/${code}`, '/v1/links', '/docs', '/openapi.json']) {
      assert.equal((await worker.call(path)).status, 404, path);
    }
    await eventually(
      'the event is moved',
      async () => (await signal(worker, 'loadstone_outbox_moved_total')) > 0,
    );
    await makeLink(api);
    await eventually('the event is handled', async () => (await handled(worker)) > 0);
    await eventually('the jobs are done', async () => (await ticked(worker)) > 0);
    assert.equal(await handled(api), 0);
    assert.equal(await ticked(api), 0);
    assert.equal(await signal(api, 'loadstone_outbox_leading'), 0);
  });

  test('a process of some systems leads, and the schedules, events and jobs of others are carried out by theirs', async () => {
    const links = await start({}, ['links']);
    await eventually('it leads', async () => (await signal(links, 'loadstone_outbox_leading')) === 1);
    const other = await start({}, [ticks]);
    assert.equal(await signal(other, 'loadstone_outbox_leading'), 0);
    await eventually('the schedule is carried out', async () => (await ticked(other)) > 1);
    await makeLink(links);
    await eventually('the event is handled', async () => (await handled(links)) > 0);
    assert.equal(await ticked(links), 0);
  });

  test('nor does it matter when the one that relays does not know the stream', async () => {
    const other = await start({}, [ticks]);
    await eventually('it leads', async () => (await signal(other, 'loadstone_outbox_leading')) === 1);
    const links = await start({}, ['links']);
    await makeLink(links);
    await eventually('the event is handled', async () => (await handled(links)) > 0);
    assert.equal(await signal(links, 'loadstone_outbox_leading'), 0);
    assert.equal((await links.call('/readyz')).status, 200);
    assert.equal((await other.call('/readyz')).status, 200);
  });
});
