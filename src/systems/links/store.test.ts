import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { type Reader, type Sql, sql } from '#blocks/database';
import { bucketOfId, parseId } from '#blocks/ids';
import type { SetTx } from '#blocks/mutation';
import { lookInto, startTestDatabase, type TestDatabase } from '#fixtures/database';
import { createLinksStore, type LinksStore, newestFirst } from './store.ts';

const LINKS = 20_000;
const principal = { workspaceId: '1', keyId: 'root' };
const signal = new AbortController().signal;

let it: TestDatabase;
let store: LinksStore;
let reader: Reader;

before(async () => {
  const migrations = [
    { room: 'links', schema: 'links', directory: new URL('./migrations/', import.meta.url) },
  ];
  // One connection a role, so that it can be told to report its counts.
  it = await startTestDatabase({ migrations, options: { poolMax: 1 } });
  store = createLinksStore({ database: it.database });
  reader = it.database.reader({ consistency: 'session', signal });
  // Two workspaces, so that a scan of one is told from a scan of all.
  await it.admin.run(sql`
    insert into links.links (workspace_id, bucket, link_id, domain, code, url, redirect_status, created_by, created_at,
      updated_at)
    select 1 + i % 2, 0, (i::bigint << 22), '', 'code' || i, 'https://example.com/' || i, 302, 'root', now(), now()
    from generate_series(1, ${LINKS}::integer) i`);
  // Its scan is counted at once, so that it is not taken for one of the store's.
  await it.admin.run(sql`
    with named as (
      insert into links.codes (domain, code, workspace_id, bucket, link_id)
      select domain, code, workspace_id, bucket, link_id from links.links returning 1
    )
    select pg_stat_force_next_flush() from (select count(*) from named) as all_named`);
  await it.admin.run(sql`analyze links.links, links.codes`);
});
after(() => it.stop());

/** One statement of the store as a mutation would send it. */
function write<T>(linkId: string, work: (tx: SetTx) => Promise<T>, lock = sql`for update`): Promise<T> {
  const placement = { system: 'links', workspaceId: '1', bucket: parseId(linkId).bucket };
  return it.database.transact(placement, { signal }, (tx) => work({ ...tx, lock }));
}

interface Scans {
  sequential: number;
  indexed: number;
}

const scans = async (): Promise<Scans> =>
  (await it.admin.first<Scans>(sql`
    select sum(seq_scan)::integer as sequential, sum(idx_scan)::integer as indexed
    from pg_stat_user_tables where schemaname = 'links'`)) as Scans;

test('every query of the store goes by an index, however many links there are', async () => {
  const idOf = (i: number) => String(BigInt(i) << 22n);
  const before = await scans();
  assert.equal((await store.targets(['code1', 'code2', 'missing'], signal)).length, 2);
  assert.equal((await store.find(reader, principal, idOf(2)))?.code, 'code2');
  const page = (cursor?: string | null) =>
    newestFirst.page(
      { limit: 20, ...(cursor ? { cursor } : {}) },
      (keyset) => store.list(reader, principal, keyset),
      ({ linkId }) => linkId,
    );
  const first = await page();
  const second = await page(first.nextCursor);
  assert.equal(new Set([...first.items, ...second.items]).size, 40);
  const asked = [4, 6, 8, 1_000_000].map((i) => ({ workspaceId: '1', linkId: idOf(i) }));
  const changed = await write(idOf(4), async (tx) => {
    const found = await store.lockEach(tx, [...asked, ...asked]);
    assert.deepEqual([...found.keys()].sort(), [4, 6, 8].map((i) => `1 ${idOf(i)}`).sort());
    const links = [...found.values()].filter((link) => link !== 'elsewhere');
    return store.updateEach(
      tx,
      links.map((link) => ({ ...link, version: 2, isDeleted: link.linkId === idOf(6) })),
    );
  });
  assert.equal(changed, 3);
  for (const role of ['app', 'system'] as const) {
    await it.database.reader({ consistency: 'strong', role }).rows(sql`select pg_stat_force_next_flush()`);
  }
  const settled = await eventually('the counts', async () => {
    const now = await scans();
    return now.indexed >= before.indexed + 7 ? now : undefined;
  });
  assert.equal(settled.sequential, before.sequential);
});

test('what is due is found and counted by its own index, and only that is read', async () => {
  const idOf = (i: number) => String(BigInt(i) << 22n);
  // Of 20,000 links half have an expiry to come, and five are past it, one of which is deleted and one told of.
  await it.admin.run(
    sql`update links.links set expires_at = '2090-01-01' where link_id % (4::bigint << 22) = 0`,
  );
  const due = [10, 12, 14, 16, 17].map(idOf);
  await it.admin.run(
    sql`update links.links set expires_at = '2020-01-01' where link_id = any(${due}::bigint[])`,
  );
  await it.admin.run(sql`update links.links set deleted_at = now() where link_id = ${idOf(14)}`);
  await it.admin.run(sql`update links.links set expired_at = expires_at where link_id = ${idOf(16)}`);
  await it.admin.run(sql`analyze links.links`);
  const nowMs = Date.UTC(2026, 0, 1);

  const plans: string[] = [];
  const explaining = {
    ...reader,
    first: async (statement: Sql) => {
      const rows = await reader.rows<{ 'QUERY PLAN': string }>(sql`explain ${statement}`);
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      return undefined;
    },
  };
  await store.counts(explaining as unknown as Reader, principal, nowMs);
  assert.match(plans[0] ?? '', /Index (Only )?Scan using links_due on links/);
  assert.doesNotMatch(plans[0] ?? '', /Seq Scan on links/);

  await it.admin.run(
    sql`insert into links.counts (workspace_id, bucket, live, expired) values (1, 0, 100, 7), (1, 1, 1, 0)`,
  );
  assert.deepEqual(await store.counts(reader, principal, nowMs), { live: 99, expired: 9 });
  assert.deepEqual(await store.counts(reader, principal, 0), { live: 101, expired: 7 }, 'by the time given');
  assert.deepEqual(await store.counts(reader, { ...principal, workspaceId: '3' }, nowMs), {
    live: 0,
    expired: 0,
  });
  await it.admin.run(sql`update links.counts set live = 0`);
  assert.deepEqual(
    await store.counts(reader, principal, nowMs),
    { live: 0, expired: 7 },
    'the log is behind',
  );

  const found = await store.due(nowMs, 10, signal);
  assert.deepEqual(found.map(({ linkId }) => linkId).sort(), [10, 12, 17].map(idOf).sort());
  await write(idOf(10), async (tx) => {
    const locked = [...(await store.lockEach(tx, found)).values()].filter((link) => link !== 'elsewhere');
    assert.deepEqual(locked.map(({ workspaceId }) => workspaceId).sort(), ['1', '1', '2']);
    const own = locked.filter(({ workspaceId }) => workspaceId === '1');
    await store.updateEach(
      tx,
      own.map((link) => ({ ...link, hasExpired: true })),
    );
  });
  assert.deepEqual(
    (await store.due(nowMs, 10, signal)).map(({ linkId }) => linkId),
    [idOf(17)],
  );
});

test('a link of another workspace is not found, changed or removed', async () => {
  const foreign = String(3n << 22n);
  const other = { ...principal, workspaceId: '1' };
  assert.equal(bucketOfId(foreign) >= 0, true);
  assert.equal((await store.find(reader, { ...principal, workspaceId: '2' }, foreign))?.code, 'code3');
  assert.equal(await store.find(reader, other, foreign), undefined);
  const asked = [{ workspaceId: other.workspaceId, linkId: foreign }];
  assert.deepEqual(await write(foreign, (tx) => store.lockEach(tx, asked)), new Map());
});

test('a link that another transaction has locked is known to be there, and is not waited for', async () => {
  const linkId = String(40n << 22n);
  const asked = [{ workspaceId: '1', linkId }];
  const other = lookInto(it.url);
  await write(linkId, async (tx) => {
    assert.equal((await store.lockEach(tx, asked)).size, 1);
    const skip = { rows: other.admin.rows, lock: sql`for update skip locked` };
    assert.deepEqual(await store.lockEach(skip, asked), new Map([[`1 ${linkId}`, 'elsewhere']]));
  });
  await other.close();
});
