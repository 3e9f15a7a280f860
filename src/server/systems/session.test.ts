/**
 * A client's session over a server whose embedded Postgres has a standby that is held back.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { locateStandby, lookInto } from '#fixtures/database';
import { startTestServer, type TestServer } from '../server.fixture.ts';
import { createSession } from './session.ts';

const token = (text: string) => Buffer.from(text).toString('base64url');
const EARLY = token('1.10');
const LATE = token('1.20');

describe('what a request says of its session', () => {
  const afterOf = (headers: Record<string, string>) => createSession(headers).after();

  test('the furthest of header and cookie counts', () => {
    assert.equal(afterOf({}), undefined);
    assert.equal(afterOf({ 'loadstone-session': EARLY }), EARLY);
    assert.equal(afterOf({ 'loadstone-session': `${EARLY}, ${LATE}` }), LATE);
    assert.equal(afterOf({ cookie: `a=b; loadstone_session=${EARLY}` }), EARLY);
    assert.equal(afterOf({ cookie: `loadstone_session=${LATE};c=d`, 'loadstone-session': EARLY }), LATE);
    assert.equal(afterOf({ cookie: `not_loadstone_session=${LATE}` }), undefined);
  });

  test('a header that is no token is refused, a cookie that is none passed over', () => {
    assert.throws(() => createSession({ 'loadstone-session': 'x' }), {
      code: 'session_invalid',
      status: 400,
    });
    assert.throws(() => createSession({ 'loadstone-session': '' }), { code: 'session_invalid' });
    assert.equal(afterOf({ cookie: 'loadstone_session=x' }), undefined);
  });

  test('its own commit takes the place of what came', () => {
    const session = createSession({ 'loadstone-session': EARLY });
    assert.deepEqual(session.headers(), {});
    session.committed(LATE);
    assert.equal(session.after(), LATE);
    assert.equal(session.headers()['loadstone-session'], LATE);
  });
});

describe('a session over a standby', () => {
  let it: TestServer;
  let standby: ReturnType<typeof lookInto>;
  before(async () => {
    it = await startTestServer({ options: { database: { standbys: 1, replicaLagMsMax: 60_000 } } });
    const url = await eventually('the standby runs', () => locateStandby(it.server.dataDirectory));
    standby = lookInto(url);
    await eventually('it answers reads', async () => (await metric('replicas_healthy')) === 1);
  });
  after(async () => {
    await standby.close();
    await it.stop();
  });

  async function metric(pattern: string): Promise<number> {
    const text = await (await it.call('/metrics')).text();
    const values = [...text.matchAll(new RegExp(`^loadstone_database_${pattern}.* ([0-9.e+]+)$`, 'gm'))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  const create = (headers: Record<string, string> = {}) =>
    it.send('POST', '/v1/links', { url: 'https://example.com/session' }, headers);
  const statusOf = async (id: string, headers: Record<string, string> = {}) =>
    (await it.call(`/v1/links/${id}`, { headers })).status;

  test('a write is answered with a token, by which its session sees it, header or cookie', async () => {
    await standby.admin.run(sql`select pg_wal_replay_pause()`);
    try {
      const response = await create();
      const { id } = (await response.json()) as { id: string };
      const given = response.headers.get('loadstone-session') as string;
      const cookie = response.headers.get('set-cookie') as string;
      assert.equal(cookie, `loadstone_session=${given}; HttpOnly; SameSite=Lax; Path=/`);
      assert.equal(await statusOf(id), 404, 'who says nothing of a session may read what is older');
      assert.equal(await statusOf(id, { 'loadstone-session': given }), 200);
      assert.equal(await statusOf(id, { cookie: cookie.split(';')[0] as string }), 200);
      const list = await it.call('/v1/links?limit=1', { headers: { 'loadstone-session': given } });
      assert.equal(((await list.json()) as { items: { id: string }[] }).items[0]?.id, id);
      assert.equal((await it.call(`/v1/links/${id}`)).headers.get('loadstone-session'), null);
    } finally {
      await standby.admin.run(sql`select pg_wal_replay_resume()`);
    }
  });

  test('a repetition carries a token too, which is behind its first answer', async () => {
    await standby.admin.run(sql`select pg_wal_replay_pause()`);
    try {
      const first = await create({ 'idempotency-key': 'repeated' });
      const again = await create({ 'idempotency-key': 'repeated' });
      assert.equal(again.headers.get('idempotency-replayed'), 'true');
      const given = again.headers.get('loadstone-session') as string;
      const { id } = (await first.json()) as { id: string };
      assert.equal(await statusOf(id, { 'loadstone-session': given }), 200);
    } finally {
      await standby.admin.run(sql`select pg_wal_replay_resume()`);
    }
  });

  test('a link redirects as soon as it is made, whatever the standby knows of it', async () => {
    await standby.admin.run(sql`select pg_wal_replay_pause()`);
    try {
      const { code } = (await (await create()).json()) as { code: string };
      assert.equal((await it.call(`/${code}`)).status, 302);
    } finally {
      await standby.admin.run(sql`select pg_wal_replay_resume()`);
    }
  });

  test('once the standby has it, the standby answers', async () => {
    const response = await create();
    const { id } = (await response.json()) as { id: string };
    const headers = { 'loadstone-session': response.headers.get('loadstone-session') as string };
    const byReplica = () => metric('reads_total\\{consistency="session",server="replica"');
    await eventually('the standby answers', async () => {
      const before = await byReplica();
      assert.equal(await statusOf(id, headers), 200);
      return (await byReplica()) > before;
    });
  });

  test('a header that is no token is refused', async () => {
    const response = await it.call('/v1/links', { headers: { 'loadstone-session': 'nonsense' } });
    assert.deepEqual(
      [response.status, ((await response.json()) as { code: string }).code],
      [400, 'session_invalid'],
    );
  });
});
