/**
 * The end of a link does not depend on its job having run: redirects and counts go by the clock, and what is made from the
 * events is made right by the sweep.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Clock, systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, sql } from '#blocks/database';
import { locateDatabase, lookInto } from '#fixtures/database';
import { startTestServer, type TestServer } from '#server/server.fixture';

interface Counts {
  live: number;
  expired: number;
}

/** The machine's clock, set forward by so much. */
let aheadMs = 0;
const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };

describe('links whose job is gone', () => {
  let it: TestServer;
  let behind: ReturnType<typeof lookInto>;
  before(async () => {
    it = await startTestServer({ clock });
    behind = lookInto(locateDatabase(it.server.dataDirectory));
  });
  after(async () => {
    await behind.close();
    await it.stop();
  });

  const create = async (body: object) =>
    (await (await it.send('POST', '/v1/links', { url: 'https://example.com/', ...body })).json()) as {
      id: string;
      code: string;
    };
  const counted = async () => (await (await it.call('/v1/links/counts')).json()) as Counts;
  const projected = () =>
    behind.admin.first<Counts>(sql`
      select sum(live)::integer as live, sum(expired)::integer as expired from ${identifier('links.counts')}`);
  const isCounted = (expected: Counts) => async () => {
    const { live, expired } = await counted();
    return live === expected.live && expired === expected.expired;
  };

  test('counts go by the clock, and the sweep tells of what no job has told of', async () => {
    const ending = await create({ ttl: 60 });
    const revived = await create({ ttl: 60 });
    const dead = await create({ ttl: 60 });
    await create({ ttl: 3600 });
    await create({});
    await eventually('all are counted', isCounted({ live: 5, expired: 0 }));
    // As after a drain, a restored backup without its jobs, or by hand; and one that is dead.
    await behind.admin.run(sql`
      with gone as (
        delete from core.jobs where queue = 'links_expiry'
        returning job_id, workspace_id, bucket, priority, attempts_max, queue, unique_key, payload
      )
      insert into core.dead_jobs (job_id, workspace_id, bucket, priority, attempts, attempts_max, queue, unique_key, payload,
        last_error, died_ms)
      select job_id, workspace_id, bucket, priority, attempts_max, attempts_max, queue, unique_key, payload, 'broken', 0
      from gone where unique_key = ${dead.id}`);

    aheadMs += 61_000;
    for (const { code } of [ending, revived, dead]) assert.equal((await it.call(`/${code}`)).status, 410);
    assert.deepEqual(await counted(), { live: 2, expired: 3 });
    assert.deepEqual(await projected(), { live: 5, expired: 0 }, 'nothing has been told yet');

    // Ids are given within a range of time that is leased: after the leap one has to be leased first.
    await eventually(
      'it is revived',
      async () => (await it.send('PATCH', `/v1/links/${revived.id}`, { ttl: 3600 })).status === 200,
    );
    assert.equal((await it.call(`/${revived.code}`)).status, 302);
    assert.deepEqual(await counted(), { live: 3, expired: 2 });

    aheadMs += 60_000;
    await eventually('the sweep has told of them', async () => {
      const { live, expired } = (await projected()) ?? { live: 0, expired: 0 };
      return live === 3 && expired === 2;
    });
    assert.deepEqual(await counted(), { live: 3, expired: 2 });
    const told = await behind.admin.rows<{ id: string }>(sql`
      select link_id as id from ${identifier('links.links')} where expired_at = expires_at order by link_id`);
    assert.deepEqual(
      told.map(({ id }) => id),
      [ending.id, dead.id].sort(),
    );
    await eventually('it says so', async () => {
      const lines = it.logs.filter(({ msg }) => /had no job that told of it/.test(String(msg)));
      return lines.reduce((sum, { links }) => sum + Number(links), 0) === 2;
    });
    assert.match(await (await it.call('/metrics')).text(), /^loadstone_links_swept_total 2$/m);
  });
});
