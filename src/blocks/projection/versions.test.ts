/**
 * Old versions of an event stay in the log, and are read by programs that come later.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Type from 'typebox';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, sql } from '#blocks/database';
import { defineEvent } from '#blocks/stream';
import type { TestDatabase } from '#fixtures/database';
import { defineProjection } from './definition.ts';
import {
  makeShop,
  readCounts,
  readTruth,
  type Shop,
  type ShopProcess,
  startShopDatabase,
  startShopProcess,
} from './shop.fixture.ts';

const signal = new AbortController().signal;
const PLACEMENT = { workspaceId: '1', bucket: 0 };
let it: TestDatabase;
before(async () => {
  it = await startShopDatabase();
});
const running = new Set<ShopProcess>();
after(async () => {
  for (const process of running) await process.stop();
});

const Version2 = Type.Object({
  itemId: Type.String(),
  sort: Type.String(),
  by: Type.Integer(),
  sum: Type.Integer(),
});

/** The event as the next program has it: it names its fields otherwise. */
const itemChanged = (stream: string) =>
  defineEvent('item.changed', Version2, {
    stream,
    key: ({ itemId }) => itemId,
    version: 2,
    upgrades: {
      1: ({ itemId, kind, n, amount }: { itemId: string; kind: string; n: number; amount: number }) => ({
        ...{ itemId, sort: kind, by: n, sum: amount },
      }),
    },
  });

/** The same shop in the next program. */
function upgraded(shop: Shop): Shop {
  const { stream: _, apply: __, ...projection } = shop.projection;
  return {
    ...shop,
    projection: defineProjection({
      ...projection,
      on: [itemChanged(shop.name)],
      async apply(events, tx, table) {
        for (const { workspaceId, payload } of events) {
          const { sort, by, sum } = payload;
          await tx.run(sql`
            insert into ${table} as counts (workspace_id, kind, n, amount) values (${workspaceId}, ${sort}, ${by}, ${sum})
            on conflict (workspace_id, kind) do update set n = counts.n + excluded.n, amount = counts.amount + excluded.amount`);
        }
        await tx.run(sql`delete from ${table} where n = 0`);
      },
    }),
  };
}

async function start(shop: Shop, isConsuming = true): Promise<ShopProcess> {
  const process = await startShopProcess(it, shop, { hasConsumer: isConsuming });
  running.add(process);
  return process;
}

async function stop(process: ShopProcess): Promise<void> {
  running.delete(process);
  await process.stop();
}

async function caughtUp(shop: Shop): Promise<void> {
  await eventually('the table is as the truth', async () => {
    const [counts, truth] = await Promise.all([readCounts(it, shop), readTruth(it, shop)]);
    return JSON.stringify(counts) === JSON.stringify(truth);
  });
}

/** Writes an item, and an event of it as it stands. */
async function write(
  shop: Shop,
  process: ShopProcess,
  type: string,
  payload: { itemId: string; sum?: number },
) {
  await it.database.transact({ system: shop.name, ...PLACEMENT }, { signal }, async (tx) => {
    await tx.run(sql`insert into ${identifier(`${shop.name}.items`)} (workspace_id, bucket, item_id, kind, amount)
      values (1, 0, ${payload.itemId}, 'new', ${payload.sum ?? 0})`);
    const event = { stream: shop.name, type, key: payload.itemId, payload };
    await process.outbox.insertEvents(tx, PLACEMENT, [event], undefined);
  });
  process.outbox.wake();
}

test('an old version in the log reaches the projection upgraded, after a restart, in verify and in a rebuild', async () => {
  const old = await makeShop(it, 'versions');
  await stop(await start(old));
  const writer = await start(old, false);
  for (const itemId of ['a', 'b', 'c']) await writer.put(itemId, { kind: 'old', amount: 1 });
  await writer.put('a', { kind: 'older', amount: 5 });
  await stop(writer);
  assert.deepEqual(await readCounts(it, old), [], 'nobody has consumed them yet');

  const shop = upgraded(old);
  const beside = await start(shop, false);
  const pending = await beside.projections.verify(shop.name, { signal });
  assert.deepEqual([pending.differences, pending.refusedTotal, pending.eventsPending], [[], 0, 5]);
  const process = await start(shop);
  await caughtUp(shop);
  await write(shop, process, 'item.changed@2', { itemId: 'd', sort: 'new', by: 1, sum: 7 } as never);
  await caughtUp(shop);

  await stop(process);
  await stop(beside);

  // The first waits in the outbox when the rebuild begins, so that it waits too; the second comes behind its snapshot.
  const command = await startShopProcess(it, shop, { hasRelay: false, hasConsumer: false });
  running.add(command);
  await command.put('e', { kind: 'old', amount: 2 });
  const filled = Promise.withResolvers<void>();
  const rebuilding = command.projections.rebuild(shop.name, {
    signal,
    onProgress: ({ phase }) => phase === 'catching_up' && filled.resolve(),
  });
  await filled.promise;
  await command.put('f', { kind: 'old', amount: 4 });
  await start(shop, false);
  assert.equal((await rebuilding).events, 1, 'the old version that came behind the snapshot');
  assert.deepEqual(await readCounts(it, shop), await readTruth(it, shop));
  const found = await command.projections.verify(shop.name, { signal });
  assert.deepEqual([found.differences, found.refusedTotal, found.parkedKeys], [[], 0, 0]);
});

test('what cannot be read is set aside with its code, and holds up no other key', async () => {
  const shop = upgraded(await makeShop(it, 'unreadable'));
  const process = await start(shop);
  await write(shop, process, 'item.changed@3', { itemId: 'later' });
  await write(shop, process, 'item.changed@2', { itemId: 'misfit' });
  await write(shop, process, 'item.sold', { itemId: 'unknown' });
  await write(shop, process, 'item.changed@2', { itemId: 'fits', sort: 'new', by: 1, sum: 3 } as never);
  await eventually('the one that fits is there', async () => (await readCounts(it, shop)).length === 1);
  const parked = await eventually('two are parked', async () => {
    const found = await process.streams.group(shop.name, shop.name).parked({ limit: 10 });
    return found.length === 2 ? found : undefined;
  });
  assert.deepEqual(
    parked.map(({ event: { key }, error }) => [key, error.split(':')[0]]),
    [
      ['later', 'event_version_unknown'],
      ['misfit', 'event_payload_unreadable'],
    ],
  );
  const found = await process.projections.verify(shop.name, { signal });
  assert.deepEqual(
    found.refused.map(({ key, error }) => [key, error.split(':')[0]]),
    [
      ['later', 'event_version_unknown'],
      ['misfit', 'event_payload_unreadable'],
    ],
  );
});
