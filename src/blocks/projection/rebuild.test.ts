import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, type Queryable, sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import type { RebuildProgress } from './catch-up.ts';
import {
  asOwner,
  joinShopDatabase,
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
/** As another process has it. */
let other: TestDatabase;
let made = 0;
const running: ShopProcess[] = [];
before(async () => {
  it = await startShopDatabase();
  other = await joinShopDatabase(it);
});
afterEach(async () => {
  for (const process of running.splice(0)) await process.stop();
});

async function start(shop: Shop, options: ProcessOptions = {}): Promise<ShopProcess> {
  const process = await startShopProcess(it, shop, options);
  running.push(process);
  return process;
}

async function setUp(options: ProcessOptions = {}) {
  made += 1;
  const shop = await makeShop(it, `rebuild${made}`);
  return { shop, process: await start(shop, options) };
}

/** A process that serves nothing and shares nothing with the others but the database, such as a command. */
function startCommand(shop: Shop, options: ProcessOptions['options'] = {}): Promise<ShopProcess> {
  return start(shop, { database: other.database, hasRelay: false, hasConsumer: false, options });
}

const counts = ({ name }: Shop) => identifier(`${name}.counts`);

async function caughtUp(shop: Shop): Promise<void> {
  await eventually('the table has the effects of all events', async () => {
    const [found, truth] = await Promise.all([readCounts(it, shop), readTruth(it, shop)]);
    return JSON.stringify(found) === JSON.stringify(truth);
  });
}

async function assertVerified({ projections }: ShopProcess, { name }: Shop): Promise<void> {
  const { differences, refusedTotal, parkedKeys } = await projections.verify(name, { signal });
  assert.deepEqual(
    { differences, refusedTotal, parkedKeys },
    { differences: [], refusedTotal: 0, parkedKeys: 0 },
  );
}

async function hasShadow({ name }: Shop): Promise<boolean> {
  const row = await it.admin.first<{ is_there: boolean }>(sql`
    select to_regclass(${`${name}.counts_shadow`}) is not null as is_there`);
  return row?.is_there === true;
}

function tamper(shop: Shop): Promise<number> {
  return it.admin.run(sql`update ${counts(shop)} set n = n + 1000`);
}

/** Writes until it is told to stop. */
function keepWriting(process: ShopProcess, writers = 3): () => Promise<void> {
  let isOver = false;
  const writing = Array.from({ length: writers }, async (_, writer) => {
    for (let i = 0; !isOver; i++) {
      const item = i % 5 === 0 ? undefined : { kind: `k${(i + writer) % 6}`, amount: i };
      await process.put(`item${(i * 7 + writer) % 30}`, item);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(writing);
  };
}

test('a tampered table is repaired while writers write and a consumer in another process applies', async () => {
  const { shop, process } = await setUp();
  const command = await startCommand(shop, { batchMax: 100 });
  await process.put('item0', { kind: 'k0', amount: 1 });
  const stopWriting = keepWriting(process);
  try {
    for (let i = 0; i < 4; i++) {
      await tamper(shop);
      const phases: string[] = [];
      const onProgress = ({ phase }: RebuildProgress) => phases.push(phase);
      const done = await command.projections.rebuild(shop.name, { signal, onProgress });
      assert.deepEqual([done.name, phases[0], phases.at(-1)], [shop.name, 'filling', 'swapping']);
      await assertVerified(command, shop);
    }
  } finally {
    await stopWriting();
  }
  await caughtUp(shop);
  await assertVerified(process, shop);
  assert.equal(await hasShadow(shop), false);
});

test('events that waited in the outbox when it began are not applied again when they come', async () => {
  const { shop, process } = await setUp({ hasRelay: false });
  for (let i = 0; i < 20; i++) await process.put(`item${i}`, { kind: `k${i % 3}`, amount: i });
  const command = await startCommand(shop, { batchMax: 10 });
  await tamper(shop);
  let isFilled = false;
  const rebuilding = command.projections.rebuild(shop.name, {
    signal,
    onProgress({ phase }) {
      isFilled ||= phase === 'catching_up';
    },
  });
  await eventually('the shadow is filled', () => isFilled);
  await process.put('item3', { kind: 'late', amount: 4 });
  await process.outbox.start(signal);
  const done = await rebuilding;
  assert.equal(done.rows, 3);
  await caughtUp(shop);
  await assertVerified(process, shop);
});

test('it gives up when what waits in the outbox does not come, and leaves everything as it was', async () => {
  const { shop, process } = await setUp({ hasRelay: false });
  await process.put('item', { kind: 'a', amount: 1 });
  const command = await startCommand(shop, { waitMs: 100 });
  await assert.rejects(command.projections.rebuild(shop.name, { signal }), { code: 'rebuild_stalled' });
  assert.equal(await hasShadow(shop), false);
  await process.outbox.start(signal);
  await caughtUp(shop);
});

test('what was parked is forgotten: the truth has its effects', async () => {
  const { shop, process } = await setUp();
  const group = process.streams.group(shop.name, shop.name);
  shop.refused.add('bad');
  await process.put('bad', { kind: 'a', amount: 10 });
  await eventually('it is parked', async () => (await group.parked({ limit: 10 })).length === 1);
  await process.put('good', { kind: 'b', amount: 1 });
  const done = await process.projections.rebuild(shop.name, { signal });
  assert.equal(done.asideForgotten, 1);
  assert.deepEqual(await group.parked({ limit: 10 }), []);
  shop.refused.clear();
  await process.put('bad', { kind: 'c', amount: 10 });
  await caughtUp(shop);
  await assertVerified(process, shop);
});

test('an event that it cannot apply ends it; the next one begins after that', async () => {
  const { shop, process } = await setUp({ hasRelay: false });
  await process.put('good', { kind: 'a', amount: 1 });
  const command = await startCommand(shop);
  let isWaiting = false;
  const onProgress = ({ phase }: RebuildProgress) => {
    isWaiting ||= phase === 'catching_up';
  };
  const rebuilding = command.projections.rebuild(shop.name, { signal, onProgress });
  const refused = assert.rejects(rebuilding, { code: 'rebuild_refused_event', message: /refused: bad/ });
  await eventually('it waits for the relay', () => isWaiting);
  shop.refused.add('bad');
  await process.put('bad', { kind: 'b', amount: 1 });
  await process.outbox.start(signal);
  await refused;
  assert.equal(await hasShadow(shop), false);
  await command.projections.rebuild(shop.name, { signal });
  assert.deepEqual(await readCounts(it, shop), await readTruth(it, shop));
});

test('two of one projection exclude each other, in whatever processes', async () => {
  const { shop, process } = await setUp();
  const command = await startCommand(shop);
  let second: Promise<unknown> | undefined;
  await process.projections.rebuild(shop.name, {
    signal,
    onProgress() {
      second ??= assert.rejects(command.projections.rebuild(shop.name, { signal }), {
        code: 'rebuild_running',
      });
    },
  });
  await second;
  await command.projections.rebuild(shop.name, { signal });
});

for (const phase of ['filling', 'catching_up', 'swapping'] as const) {
  test(`given up while ${phase}, it has changed nothing, and clears up behind itself`, async () => {
    const { shop, process } = await setUp();
    await process.put('item', { kind: 'a', amount: 1 });
    await caughtUp(shop);
    await tamper(shop);
    const giveUp = new AbortController();
    const command = await startCommand(shop);
    const onProgress = (progress: RebuildProgress) => {
      if (progress.phase === phase) giveUp.abort(new Error('given up'));
    };
    await assert.rejects(
      command.projections.rebuild(shop.name, { signal: giveUp.signal, onProgress }),
      /given up/,
    );
    assert.equal(await hasShadow(shop), false);
    assert.deepEqual(await readCounts(it, shop), [{ kind: 'a', n: '1001', amount: '1' }]);
    await process.put('more', { kind: 'b', amount: 2 });
    await eventually('the consumer goes on', async () => (await readCounts(it, shop)).length === 2);
    await command.projections.rebuild(shop.name, { signal });
    await caughtUp(shop);
  });
}

test('killed, it leaves a shadow, which the next one clears', async () => {
  const { shop, process } = await setUp();
  await process.put('item', { kind: 'a', amount: 1 });
  await caughtUp(shop);
  const dying = await joinShopDatabase(it);
  const command = await startShopProcess(it, shop, {
    database: dying.database,
    hasRelay: false,
    hasConsumer: false,
  });
  let killed: Promise<unknown> | undefined;
  const rebuilding = command.projections.rebuild(shop.name, {
    signal,
    onProgress({ phase }) {
      // No connection is left to it, nor can it open another.
      if (phase === 'catching_up') killed ??= dying.database.stop(AbortSignal.abort(new Error('killed')));
    },
  });
  await assert.rejects(rebuilding);
  await killed;
  await command.stop();
  assert.equal(await hasShadow(shop), true);
  await process.put('more', { kind: 'b', amount: 2 });
  await caughtUp(shop);
  await assertVerified(process, shop);
  await process.projections.rebuild(shop.name, { signal });
  assert.equal(await hasShadow(shop), false);
  await assertVerified(process, shop);
});

test('one that was believed dead does not disturb the one that has taken over', async () => {
  const { shop, process } = await setUp();
  await process.put('item', { kind: 'a', amount: 1 });
  const command = await startCommand(shop);
  let second: Promise<unknown> | undefined;
  const rebuilding = command.projections.rebuild(shop.name, {
    signal,
    onProgress({ phase }) {
      if (phase !== 'catching_up') return;
      // Its connection that holds the lock breaks, unnoticed; another rebuild runs from beginning to end.
      second ??= killHolder(it.admin).then(() => process.projections.rebuild(shop.name, { signal }));
    },
  });
  shop.setFault(async () => {
    await second;
  });
  await process.put('more', { kind: 'b', amount: 1 });
  await assert.rejects(rebuilding);
  shop.setFault(async () => {});
  await second;
  await caughtUp(shop);
  await assertVerified(process, shop);
  assert.equal(await hasShadow(shop), false);
});

async function killHolder(admin: Queryable): Promise<void> {
  await admin.run(sql`
    select pg_terminate_backend(pid, 5000) from pg_locks
    where locktype = 'advisory' and granted and pid in (
      select pid from pg_stat_activity where state = 'idle in transaction')`);
}

test('a transaction that keeps the table makes it wait, and others get through meanwhile', async () => {
  const { shop, process } = await setUp();
  const command = await startCommand(shop, { lockTimeoutMs: 20, waitMs: 300 });
  const held = Promise.withResolvers<void>();
  const isHolding = Promise.withResolvers<void>();
  const holding = it.database.snapshot({ signal, role: 'system', timeoutMs: 20_000 }, async (tx) => {
    await tx.rows(sql`select kind from ${counts(shop)}`);
    isHolding.resolve();
    await held.promise;
  });
  await isHolding.promise;
  await assert.rejects(command.projections.rebuild(shop.name, { signal }), { code: 'rebuild_blocked' });
  await process.put('item', { kind: 'a', amount: 1 });
  await caughtUp(shop);
  held.resolve();
  await holding;
  await command.projections.rebuild(shop.name, { signal });
});

test('settled rows are carried over, with what was still to come to them', async () => {
  const name = 'rebuild_settled';
  const shop = await makeShop(it, name, { settled: sql`kind < 'm'` });
  const process = await start(shop, { hasRelay: false });
  await process.outbox.start(signal);
  await process.put('old', { kind: 'a', amount: 5 });
  await process.put('new', { kind: 'z', amount: 6 });
  await caughtUp(shop);
  await it.admin.run(sql`delete from ${identifier(`${name}.items`)} where kind = 'a'`);
  await it.admin.run(
    sql`update ${counts(shop)} set n = 50, touched_at = '2020-01-01' where kind in ('a', 'z')`,
  );
  shop.refused.add('late');
  await process.put('late', { kind: 'b', amount: 1 });
  const group = process.streams.group(name, name);
  await eventually('it is parked', async () => (await group.parked({ limit: 10 })).length === 1);
  await assert.rejects(process.projections.rebuild(name, { signal }), { code: 'rebuild_refused_event' });
  shop.refused.clear();
  await process.projections.rebuild(name, { signal });
  assert.deepEqual(await readCounts(it, shop), [
    { kind: 'a', n: '50', amount: '5' },
    { kind: 'b', n: '1', amount: '1' },
    { kind: 'z', n: '1', amount: '6' },
  ]);
  const row = await it.admin.first<{ year: number }>(sql`
    select extract(year from touched_at)::integer as year from ${counts(shop)} where kind = 'a'`);
  assert.equal(row?.year, 2020);
});

test('a first start builds the table from the truth, once for all processes', async () => {
  made += 1;
  const shop = await makeShop(it, `rebuild${made}`);
  await it.admin.run(sql`
    insert into ${identifier(`${shop.name}.items`)} (workspace_id, bucket, item_id, kind, amount)
    select 1, 0, 'before' || n, 'old', n from generate_series(1, 5) as n`);
  const [first] = await Promise.all([start(shop), start(shop, { hasRelay: false })]);
  await first.put('after', { kind: 'new', amount: 1 });
  await caughtUp(shop);
  await assertVerified(first, shop);
});

test('a table changed by a migration meanwhile stays as the migration left it', async () => {
  const { shop, process } = await setUp({ hasRelay: false });
  await process.put('item', { kind: 'a', amount: 1 });
  const command = await startCommand(shop);
  let isWaiting = false;
  const onProgress = ({ phase }: RebuildProgress) => {
    isWaiting ||= phase === 'catching_up';
  };
  const refused = assert.rejects(command.projections.rebuild(shop.name, { signal, onProgress }), {
    code: 'rebuild_overtaken',
  });
  await eventually('it waits for the relay', () => isWaiting);
  await asOwner(it, (tx) => tx.run(sql`alter table ${counts(shop)} add column more integer`));
  await process.outbox.start(signal);
  await refused;
});
