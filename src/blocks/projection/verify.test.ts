import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import {
  makeShop,
  type ProcessOptions,
  readCounts,
  readTruth,
  type Shop,
  type ShopProcess,
  startShopDatabase,
  startShopProcess,
} from './shop.fixture.ts';

const signal = new AbortController().signal;
let it: TestDatabase;
let made = 0;
const running: ShopProcess[] = [];
before(async () => {
  it = await startShopDatabase();
});
afterEach(async () => {
  for (const process of running.splice(0)) await process.stop();
});

const freshName = () => `verify${++made}`;

async function start(shop: Shop, options: ProcessOptions = {}): Promise<ShopProcess> {
  const process = await startShopProcess(it, shop, options);
  running.push(process);
  return process;
}

async function setUp(options: ProcessOptions = {}) {
  const shop = await makeShop(it, freshName());
  return { shop, process: await start(shop, options) };
}

async function caughtUp(shop: Shop): Promise<void> {
  await eventually('the table has the effects of all events', async () => {
    const [counts, truth] = await Promise.all([readCounts(it, shop), readTruth(it, shop)]);
    return JSON.stringify(counts) === JSON.stringify(truth);
  });
}

async function verify({ projections }: ShopProcess, { name }: Shop, sample?: number) {
  return projections.verify(name, sample === undefined ? { signal } : { sample, signal });
}

test('events have their effects once, whoever applies them', async () => {
  const { shop, process } = await setUp();
  await start(shop, { hasRelay: false });
  const puts = Array.from({ length: 60 }, (_, i) =>
    process.put(`item${i % 20}`, i % 7 === 0 ? undefined : { kind: `kind${i % 3}`, amount: i }),
  );
  await Promise.all(puts);
  await caughtUp(shop);
  const found = await verify(process, shop);
  assert.deepEqual(found.differences, []);
  assert.equal(found.rowsCompared, (await readTruth(it, shop)).length);
  assert.equal(found.isSample, false);
  assert.equal(found.refusedTotal, 0);
});

test('each kind of difference is found, with its key and values', async () => {
  const { shop, process } = await setUp();
  for (const kind of ['a', 'b', 'c', 'd']) await process.put(kind, { kind, amount: 5 });
  await caughtUp(shop);
  const counts = identifier(`${shop.name}.counts`);
  await it.admin.run(sql`delete from ${counts} where kind = 'a'`);
  await it.admin.run(sql`update ${counts} set n = 7 where kind = 'b'`);
  await it.admin.run(sql`insert into ${counts} (workspace_id, kind, n, amount) values (2, 'e', 1, 1)`);
  const { differences, differencesTotal, rowsCompared } = await verify(process, shop);
  assert.equal(rowsCompared, 5);
  assert.equal(differencesTotal, 3);
  assert.deepEqual(differences, [
    {
      key: { workspace_id: '1', kind: 'a' },
      kind: 'missing',
      expected: { n: '1', amount: '5' },
      actual: undefined,
    },
    {
      key: { workspace_id: '1', kind: 'b' },
      kind: 'different',
      expected: { n: '1', amount: '5' },
      actual: { n: '7', amount: '5' },
    },
    {
      key: { workspace_id: '2', kind: 'e' },
      kind: 'unexpected',
      expected: undefined,
      actual: { n: '1', amount: '1' },
    },
  ]);
  const scraped = await process.metrics.registry.metrics();
  assert.match(
    scraped,
    new RegExp(`loadstone_projection_differences_total\\{projection="${shop.name}"\\} 3`),
  );
});

test('only the first differences are told, and all are counted', async () => {
  const { shop, process } = await setUp();
  const rows = Array.from({ length: 30 }, (_, i) => `k${String(i).padStart(2, '0')}`);
  await it.admin.run(sql`
    insert into ${identifier(`${shop.name}.counts`)} (workspace_id, kind, n, amount)
    select 1, kind, 1, 1 from unnest(${rows}::text[]) as kind`);
  const all = await verify(process, shop);
  assert.equal(all.differencesTotal, 30);
  assert.deepEqual(
    all.differences.map(({ key }) => key.kind),
    rows.slice(0, 10),
  );
  const some = await verify(process, shop, 12);
  assert.deepEqual([some.isSample, some.rowsCompared, some.differencesTotal], [true, 12, 12]);
});

test('events that wait in the outbox count as applied', async () => {
  const { shop, process } = await setUp({ hasRelay: false });
  for (let i = 0; i < 30; i++) await process.put(`item${i % 4}`, { kind: `kind${i % 3}`, amount: i });
  assert.deepEqual(await readCounts(it, shop), []);
  const found = await verify(process, shop);
  assert.deepEqual([found.differences, found.rowsCompared > 0], [[], true]);
  assert.equal(found.eventsPending, 56);
});

test('events that the consumer has not read count as applied, in batches', async () => {
  const { shop, process } = await setUp({ hasConsumer: false, options: { batchMax: 5 } });
  await assert.rejects(verify(process, shop), { code: 'projection_not_built' });
  await process.projections.rebuild(shop.name, { signal });
  for (let i = 0; i < 30; i++) await process.put(`item${i % 8}`, { kind: `kind${i % 3}`, amount: i });
  await eventually('all is in the log', async () => {
    const row = await it.admin.first<{ n: string }>(sql`select count(*) as n from core.outbox`);
    return row?.n === '0';
  });
  const found = await verify(process, shop);
  assert.deepEqual(found.differences, []);
  assert.equal(found.eventsPending, 52);
  const few = await start(shop, { hasConsumer: false, hasRelay: false, options: { pendingMax: 51 } });
  await assert.rejects(verify(few, shop), { code: 'projection_behind' });
});

test('a parked event counts as applied when it can be, and else its key is told', async () => {
  const { shop, process } = await setUp();
  const group = process.streams.group(shop.name, shop.name);
  await process.put('good', { kind: 'a', amount: 1 });
  shop.refused.add('bad');
  await process.put('bad', { kind: 'a', amount: 10 });
  await eventually('it is parked', async () => (await group.parked({ limit: 10 })).length === 1);
  await process.put('bad', { kind: 'b', amount: 20 });
  await process.put('good', { kind: 'c', amount: 2 });
  const refusing = await verify(process, shop);
  assert.equal(refusing.parkedKeys, 1);
  assert.equal(refusing.refusedTotal, 1);
  const [refused] = refusing.refused;
  assert.equal(refused?.key, 'bad');
  assert.match(refused?.error ?? '', /refused: bad/);
  assert.deepEqual(
    refusing.differences.map(({ key, kind }) => [key.kind, kind]),
    [['b', 'missing']],
  );
  shop.refused.clear();
  const applying = await verify(process, shop);
  assert.deepEqual([applying.differences, applying.parkedKeys, applying.refusedTotal], [[], 1, 0]);
  await group.redrive();
  await caughtUp(shop);
  assert.equal((await verify(process, shop)).parkedKeys, 0);
});

test('nothing is found while writers write, the relay moves and consumers apply', async () => {
  const { shop, process } = await setUp({ options: { batchMax: 10 } });
  const watcher = await start(shop, { hasRelay: false, hasConsumer: false });
  let isOver = false;
  const writing = [0, 1, 2].map(async (writer) => {
    for (let i = 0; !isOver; i++) {
      await process.put(
        `item${(i * 7 + writer) % 30}`,
        i % 5 === 0 ? undefined : { kind: `k${i % 6}`, amount: i },
      );
    }
  });
  const found = [];
  for (let i = 0; i < 12; i++) found.push(await verify(watcher, shop, i % 3 === 0 ? 4 : undefined));
  isOver = true;
  await Promise.all(writing);
  for (const each of found) assert.deepEqual(each.differences, []);
  assert(found.some(({ eventsPending }) => eventsPending > 0));
  await caughtUp(shop);
});

test('what has no raw rows any more is not compared, and that is said', async () => {
  const name = freshName();
  const shop = await makeShop(it, name, { settled: sql`kind < 'm'` });
  const process = await start(shop);
  await process.put('old', { kind: 'a', amount: 5 });
  await process.put('new', { kind: 'z', amount: 6 });
  await caughtUp(shop);
  await it.admin.run(sql`delete from ${identifier(`${name}.items`)} where kind = 'a'`);
  const found = await verify(process, shop);
  assert.deepEqual([found.differences, found.rowsCompared, found.rowsSettled], [[], 1, 1]);
});

test('an unknown projection, and a signal that aborts', async () => {
  const { shop, process } = await setUp();
  await assert.rejects(process.projections.verify('none', { signal }), { code: 'projection_unknown' });
  const gone = AbortSignal.abort(new Error('gone'));
  await assert.rejects(process.projections.verify(shop.name, { signal: gone }), /gone/);
});
