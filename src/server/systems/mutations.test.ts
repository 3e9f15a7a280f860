/**
 * Mutations through a whole server: repeated requests, what they leave in the log, and what is made of that.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { locateDatabase, lookInto } from '#fixtures/database';
import { problem, startTestServer, type TestServer } from '../server.fixture.ts';

const OTHER_KEY = 'another-key-for-tests-only-0123456789';
const FOREIGN_KEY = 'a-key-of-another-workspace-0123456789';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CALLERS = 64;

interface Answer {
  status: number;
  replayed: string | null;
  headers: Record<string, string | null>;
  body: { id: string; code: string };
}

describe('mutations', () => {
  let it: TestServer;
  let behind: ReturnType<typeof lookInto>;
  before(async () => {
    it = await startTestServer();
    behind = lookInto(locateDatabase(it.server.dataDirectory));
    for (const [workspaceId, keyId, key] of [
      ['1', 'other', OTHER_KEY],
      ['2', 'root', FOREIGN_KEY],
    ] as const) {
      await behind.admin.run(sql`
        insert into core.api_keys (workspace_id, bucket, key_id, hash)
        values (${workspaceId}, 0, ${keyId}, ${createHash('sha256').update(key).digest()})`);
    }
  });
  after(async () => {
    await behind.close();
    await it.stop();
  });

  async function post(key: string | undefined, body: object, apiKey = it.key): Promise<Answer> {
    const keyed = key === undefined ? {} : { 'idempotency-key': key };
    const authorization = `Bearer ${apiKey}`;
    const response = await it.send('POST', '/v1/links', body, { ...keyed, authorization });
    const { status, headers } = response;
    return {
      status,
      replayed: headers.get('idempotency-replayed'),
      headers: {
        location: headers.get('location'),
        etag: headers.get('etag'),
        session: headers.get('loadstone-session'),
        cookie: headers.get('set-cookie'),
      },
      body: (await response.json()) as Answer['body'],
    };
  }

  /** How many of the newest links of both workspaces lead there. */
  async function countOf(url: string): Promise<number> {
    const lists = await Promise.all(
      [it.key, FOREIGN_KEY].map(async (key) => {
        const headers = { authorization: `Bearer ${key}` };
        const response = await it.call('/v1/links?limit=100', { headers });
        return ((await response.json()) as { items: { url: string }[] }).items;
      }),
    );
    return lists.flat().filter((link) => link.url === url).length;
  }

  const lookAt = async (jobId: string) =>
    (await (await it.call(`/v1/jobs/${jobId}`)).json()) as { state: string };

  test('a repeated request is answered as the first one was, headers included', async () => {
    const url = 'https://example.com/repeated';
    const first = await post('"key-1"', { url, redirectStatus: 307 });
    assert.deepEqual([first.status, first.replayed], [201, null]);
    assert.deepEqual([first.headers.session, first.headers.cookie], [null, null], 'without replicas');
    // Quoted or bare is the same key, and the order of the fields says nothing.
    const again = await post('key-1', { redirectStatus: 307, url });
    assert.deepEqual(again, { ...first, replayed: 'true' });
    assert.equal(await countOf(url), 1);
  });

  test('another body under the same key is refused, and changes nothing', async () => {
    const first = await post('key-2', { url: 'https://example.com/first' });
    const response = await it.send(
      'POST',
      '/v1/links',
      { url: 'https://example.com/second' },
      { 'idempotency-key': 'key-2' },
    );
    assert.deepEqual([response.status, (await problem(response)).code], [422, 'idempotency_key_reused']);
    assert.deepEqual((await post('key-2', { url: 'https://example.com/first' })).body, first.body);
    assert.equal(await countOf('https://example.com/second'), 0);
  });

  test('a key is its own for each workspace, each principal and each route', async () => {
    const url = 'https://example.com/scoped';
    const ids = new Set<string>();
    for (const apiKey of [it.key, OTHER_KEY, FOREIGN_KEY]) {
      const answer = await post('shared', { url }, apiKey);
      assert.deepEqual([answer.status, answer.replayed], [201, null]);
      ids.add(answer.body.id);
    }
    const shortened = await it.send('POST', '/v1/shorten', { url }, { 'idempotency-key': 'shared' });
    assert.deepEqual([shortened.status, shortened.headers.get('idempotency-replayed')], [201, null]);
    assert.equal(ids.size, 3);
    assert.equal(await countOf(url), 4);
  });

  test('a key that is none is refused before anything is done', async () => {
    for (const key of ['', '""', 'a b', '"a b"', 'ü', 'x'.repeat(256), '"unclosed']) {
      const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') };
      const response = await it.send('POST', '/v1/links', { url: 'https://example.com/none' }, headers);
      assert.deepEqual(
        [response.status, (await problem(response)).code],
        [400, 'idempotency_key_invalid'],
        key,
      );
    }
    assert.equal(await countOf('https://example.com/none'), 0);
  });

  test('a refusal frees the key, whatever its status: the corrected request goes through', async () => {
    const url = 'https://example.com/refused';
    await post(undefined, { url, alias: 'refused-1' });
    const refusals: readonly (readonly [number, object])[] = [
      [400, { url: 7 }],
      [400, {}],
      [409, { url, alias: 'refused-1' }],
      [422, { url: 'javascript:alert(1)' }],
      [422, { url, alias: 'v1' }],
      [422, { url, ttl: 5, expiresAt: '2090-01-01T00:00:00Z' }],
    ];
    for (const [at, [status, body]] of refusals.entries()) {
      const key = `refused-${at}`;
      for (let i = 0; i < 2; i++) {
        const refused = await post(key, body);
        assert.deepEqual([refused.status, refused.replayed], [status, null], JSON.stringify(body));
      }
      const corrected = await post(key, { url: `${url}/${at}` });
      assert.deepEqual([corrected.status, corrected.replayed], [201, null], JSON.stringify(body));
      assert.deepEqual((await post(key, { url: `${url}/${at}` })).body, corrected.body);
      const reused = await it.send('POST', '/v1/links', { url }, { 'idempotency-key': key });
      assert.deepEqual([reused.status, (await problem(reused)).code], [422, 'idempotency_key_reused']);
      assert.equal(await countOf(`${url}/${at}`), 1);
    }
    assert.equal((await post('unkeyed', { url }, 'no-such-key-0123456789-0123456789')).status, 401);
    assert.equal((await post('unkeyed', { url })).status, 201);
  });

  test(`${CALLERS} equal requests at once make one link, and all agree when they are repeated`, async () => {
    const url = 'https://example.com/storm';
    const ask = () => post('storm', { url });
    const answers = await Promise.all(Array.from({ length: CALLERS }, ask));
    const made = answers.filter(({ status }) => status === 201);
    assert(made.length >= 1);
    for (const { status } of answers) assert(status === 201 || status === 409, `${status}`);
    const repeated = await Promise.all(Array.from({ length: CALLERS }, ask));
    for (const { status, body } of repeated)
      assert.deepEqual({ status, body }, { status: 201, body: made[0]?.body });
    assert.equal(await countOf(url), 1);
  });

  test('answers are sealed where they are kept', async () => {
    const url = 'https://example.com/a-secret-in-it';
    const { body } = await post('sealed', { url });
    const kept = await behind.admin.rows<{ outcome: Buffer }>(
      sql`select outcome from core.idempotency_records`,
    );
    for (const { outcome } of kept) {
      assert(!outcome.includes('a-secret-in-it') && !outcome.includes(body.code));
    }
  });

  test('the trace of a request goes on through its event, its job and what the job tells', async () => {
    const traceparent = `00-${TRACE_ID}-b7ad6b7169203331-01`;
    const expiresAt = new Date(systemClock.nowMs() + 1500).toISOString();
    const response = await it.send(
      'POST',
      '/v1/links',
      { url: 'https://example.com/traced', expiresAt },
      { traceparent },
    );
    const { id } = (await response.json()) as { id: string };
    const job = await behind.admin.first<{ jobId: string }>(
      sql`select job_id as "jobId" from core.jobs where unique_key = ${id}`,
    );
    const jobId = job?.jobId ?? '';
    assert.equal((await lookAt(jobId)).state, 'scheduled');
    const types = () =>
      behind.admin.rows<{ type: string; traceparent: string }>(
        sql`select type, traceparent from core.stream_events where key = ${id} order by position`,
      );
    const events = await eventually('it has expired', async () => {
      const found = await types();
      return found.length === 2 ? found : undefined;
    });
    assert.deepEqual(
      events.map(({ type, traceparent }) => [type, traceparent.slice(3, 35)]),
      [
        ['link.created', TRACE_ID],
        ['link.expired', TRACE_ID],
      ],
    );
    await eventually('the job is done', async () => (await lookAt(jobId)).state === 'done');
    const foreign = await it.call(`/v1/jobs/${jobId}`, {
      headers: { authorization: `Bearer ${FOREIGN_KEY}` },
    });
    assert.deepEqual([foreign.status, (await problem(foreign)).code], [404, 'job_missing']);
  });

  test('links are counted as they are made, expire and are deleted', async () => {
    const counts = async () =>
      (await (await it.call('/v1/links/counts')).json()) as { live: number; expired: number };
    const before = await counts();
    const expiresAt = new Date(systemClock.nowMs() + 1200).toISOString();
    const bodies = [{}, {}, { expiresAt }, { ttl: 3600 }];
    const made = await Promise.all(
      bodies.map((body) => post(undefined, { url: 'https://example.com/n', ...body })),
    );
    await it.call(`/v1/links/${made[0]?.body.id}`, { method: 'DELETE' });
    const after = { live: before.live + 2, expired: before.expired + 1 };
    await eventually('the counts follow', async () => {
      const { live, expired } = await counts();
      return live === after.live && expired === after.expired;
    });
    const revived = await it.send('PATCH', `/v1/links/${made[2]?.body.id}`, { expiresAt: null });
    assert.equal(revived.status, 200);
    await eventually('and what is revived', async () => {
      const { live, expired } = await counts();
      return live === after.live + 1 && expired === after.expired - 1;
    });
  });

  test('a link is not marked before its time, however far that is and whoever runs its job', async () => {
    const made = await post(undefined, { url: 'https://example.com/far', expiresAt: '2199-12-31T23:59:59Z' });
    assert.equal(made.status, 201);
    const waiting = () =>
      behind.admin.rows<{ jobId: string }>(
        sql`select job_id as "jobId" from core.jobs where unique_key = ${made.body.id}`,
      );
    const [first] = await waiting();
    await behind.admin.run(
      sql`update core.jobs set state = 'ready', run_at_ms = 0 where job_id = ${first?.jobId ?? ''}`,
    );
    await eventually('it waits again', async () => {
      const [now] = await waiting();
      return now !== undefined && now.jobId !== first?.jobId;
    });
    const told = await behind.admin.rows(sql`
      select type from core.stream_events where key = ${made.body.id} and type = 'link.expired'`);
    assert.deepEqual(told, []);
  });

  test('a new expiry takes the place of the one before', async () => {
    const made = await it.send('POST', '/v1/links', { url: 'https://example.com/later', ttl: 3600 });
    const { id } = (await made.json()) as { id: string };
    await it.send('PATCH', `/v1/links/${id}`, { ttl: 7200 });
    const waiting = await behind.admin.rows(sql`
      select job_id from core.jobs where queue = 'links_expiry' and unique_key = ${id}`);
    assert.equal(waiting.length, 1);
  });
});
