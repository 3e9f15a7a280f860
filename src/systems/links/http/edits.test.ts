/**
 * Edits of links travel in sets, from several servers: each link has one order of them, and nobody redirects by what was.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, sql } from '#blocks/database';
import { locateDatabase, lookInto } from '#fixtures/database';
import { problem, startTestServer, type TestServer } from '#server/server.fixture';

const HOUR_MS = 3_600_000;
const EDITS = 60;

interface Told {
  type: string;
  version: number;
  was: string | null;
  is: string;
}

suite('edits of links', () => {
  let first: TestServer;
  let second: TestServer;
  let behind: ReturnType<typeof lookInto>;
  before(async () => {
    const given = {
      systemOptions: { links: { cacheTtlMs: HOUR_MS } },
      masterKey: randomBytes(32).toString('base64url'),
    };
    first = await startTestServer(given);
    const primary = locateDatabase(first.server.dataDirectory);
    behind = lookInto(primary);
    second = await startTestServer({ ...given, options: { database: { primary } } });
  });
  after(async () => {
    await second?.stop();
    await behind?.close();
    await first?.stop();
  });

  async function create(body: object = {}): Promise<{ id: string; code: string }> {
    const made = await first.send('POST', '/v1/links', { url: 'https://example.com/0', ...body });
    assert.equal(made.status, 201);
    return (await made.json()) as { id: string; code: string };
  }
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

  async function told(id: string, count: number): Promise<Told[]> {
    return eventually(`${count} events of ${id}`, async () => {
      const rows = await behind.admin.rows<Told>(sql`
        select type, (payload->>'version')::integer as version, payload->>'was' as was, payload->>'is' as "is"
        from core.stream_events where key = ${id} order by position`);
      return rows.length >= count ? rows : undefined;
    });
  }

  test('from two servers at once, and a deletion among them, have one order, and events follow it', async () => {
    const { id } = await create();
    const edits = upTo(EDITS).map((i) => {
      const server = i % 2 === 0 ? first : second;
      const isDeletion = i === EDITS - 20;
      const method = isDeletion ? 'DELETE' : 'PATCH';
      return isDeletion
        ? server.call(`/v1/links/${id}`, { method })
        : server.send(method, `/v1/links/${id}`, { url: `https://example.com/${i}` });
    });
    const replies = await Promise.all(edits);
    const count = (status: number) => replies.filter((reply) => reply.status === status).length;
    assert.equal(count(204), 1);
    assert.equal(count(200) + count(204) + count(404), EDITS, 'all are answered, by what was there');
    const versions = replies
      .filter(({ status }) => status === 200)
      .map((reply) => Number(reply.headers.get('etag')?.slice(1, -1)))
      .sort((a, b) => a - b);
    assert.deepEqual(
      versions,
      upTo(count(200)).map((n) => n + 1),
      'versions are dense, and each is given once',
    );
    const events = await told(id, count(200) + 2);
    assert.deepEqual(
      events.map(({ version }) => version),
      upTo(events.length),
    );
    assert.deepEqual(events.at(-1), {
      type: 'link.deleted',
      version: events.length,
      was: 'live',
      is: 'deleted',
    });
  });

  test('of those that ask for one version at once, one is carried out', async () => {
    const { id } = await create();
    const replies = await Promise.all(
      upTo(20).map((i) =>
        (i % 2 === 0 ? first : second).send(
          'PATCH',
          `/v1/links/${id}`,
          { url: `https://example.com/${i}` },
          { 'if-match': '"1"' },
        ),
      ),
    );
    const statuses = replies.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array(19).fill(412)]);
    const refused = replies.find(({ status }) => status === 412);
    assert(refused);
    assert.equal((await problem(refused)).code, 'precondition_failed');
    assert.equal((await told(id, 2)).length, 2);
  });

  test('what is wrong with one edit is its own, and nothing of it is written', async () => {
    const links = await Promise.all(upTo(10).map(() => create()));
    const replies = await Promise.all(
      links.map(({ id }, i) => {
        const url = i === 3 ? 'javascript:alert(1)' : 'https://example.com/good';
        const expiry = i === 5 ? { expiresAt: '2001-01-01T00:00:00Z' } : {};
        return first.send('PATCH', `/v1/links/${id}`, { url, ...expiry });
      }),
    );
    assert.deepEqual(
      replies.map(({ status }) => status),
      links.map((_, i) => (i === 3 || i === 5 ? 422 : 200)),
    );
    const rows = await behind.admin.rows<{ version: number }>(sql`
      select version from ${identifier('links.links')} where link_id = any(${links.map(({ id }) => id)}::bigint[])
      order by link_id`);
    assert.equal(rows.filter(({ version }) => version === 1).length, 2);
  });

  test('several new expiries of a link at once leave the job of the last', async () => {
    const { id } = await create({ ttl: 3600 });
    const replies = await Promise.all(
      upTo(8).map((i) => first.send('PATCH', `/v1/links/${id}`, { ttl: 3600 + i })),
    );
    for (const { status } of replies) assert.equal(status, 200);
    const link = (await (await first.call(`/v1/links/${id}`)).json()) as { expiresAt: string };
    const jobs = await behind.admin.rows<{ payload: string }>(sql`
      select payload from core.jobs where queue = 'links_expiry' and unique_key = ${id}`);
    assert.deepEqual(
      jobs.map(({ payload }) => JSON.parse(payload)),
      [{ linkId: id, expiresAt: link.expiresAt }],
    );
  });

  test('a link whose change is of unknown outcome is not answered from memory', async () => {
    const { id, code } = await create();
    assert.equal((await first.call(`/${code}`)).headers.get('location'), 'https://example.com/0');
    // While it is being committed its session ends; then the change is made by somebody whom no process hears of.
    await behind.admin.run(sql`
      create function public.break_off() returns trigger language plpgsql security definer as
      'begin perform pg_terminate_backend(pg_backend_pid()); return null; end'`);
    await behind.admin.run(sql`
      create constraint trigger fragile after update on links.links deferrable initially deferred
      for each row when (new.url = 'https://example.com/fragile') execute function public.break_off()`);
    const reply = await first.send('PATCH', `/v1/links/${id}`, { url: 'https://example.com/fragile' });
    assert.deepEqual([reply.status, (await problem(reply)).code], [503, 'outcome_unknown']);
    await behind.admin.run(sql`drop trigger fragile on links.links`);
    await behind.admin.run(sql`
      update ${identifier('links.links')} set url = 'https://example.com/after' where link_id = ${id}`);
    assert.equal((await first.call(`/${code}`)).headers.get('location'), 'https://example.com/after');
  });
});
