import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { createTracer, type Tracer } from '#base/trace';
import { sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import { defineProjection } from './definition.ts';
import { projectionOptions } from './options.ts';
import { createProjections } from './projections.ts';
import {
  itemChangedOf,
  makeShop,
  type Shop,
  type ShopProcess,
  startShopDatabase,
  startShopProcess,
} from './shop.fixture.ts';

const signal = new AbortController().signal;
const OPTIONS = parseOptions(projectionOptions, {});
let it: TestDatabase;
let shop: Shop;
let process: ShopProcess;
before(async () => {
  it = await startShopDatabase();
  shop = await makeShop(it, 'parts');
  process = await startShopProcess(it, shop, { hasConsumer: false });
});
after(() => process.stop());

function make(definitions = [shop.projection], tracer: Tracer = createTracer(seededRandom(1))) {
  return createProjections(OPTIONS, {
    clock: systemClock,
    random: seededRandom(2),
    log: silentLog,
    metrics: createMetrics(),
    tracer,
    database: it.database,
    streams: process.streams,
    definitions,
  });
}

lifecycleSuite('projections', async () => make());

test('a stream that is not there, and names that are taken twice', async () => {
  const lost = { ...shop.projection, name: 'lost', table: 'items', stream: 'nowhere' };
  await assert.rejects(make([lost]).start(signal), { code: 'stream_unknown' });
  assert.throws(() => make([shop.projection, { ...shop.projection, table: 'items' }]), /same name/);
  assert.throws(() => make([shop.projection, { ...shop.projection, name: 'twin' }]), /same table/);
});

test('what cannot be a name is a programmer error', () => {
  const given = { ...shop.projection, on: [itemChangedOf('parts')] };
  for (const wrong of [
    { name: 'Counts' },
    { name: 'a'.repeat(41) },
    { table: 'a; drop' },
    { system: 'a.b.c' },
  ]) {
    assert.throws(() => defineProjection({ ...given, ...wrong, apply: async () => {} }));
  }
  assert.throws(() => defineProjection({ ...given, table: 'a'.repeat(51), apply: async () => {} }));
});

test('columns that are not there, or are the key, cannot be left out', async () => {
  for (const column of ['kind', 'none']) {
    const definition = { ...shop.projection, uncompared: [column] };
    await assert.rejects(make([definition]).rebuild(shop.name, { signal }), /not comparable/);
  }
});

test('the trace of each event is continued where it has its effect', async () => {
  const seen: Parameters<Tracer['begin']>[0][] = [];
  const inner = createTracer(seededRandom(3));
  const tracer: Tracer = {
    ...inner,
    begin(parent, name, kind) {
      if (name === 'projection parts' && kind === 'consumer') seen.push(parent);
      return inner.begin(parent, name, kind);
    },
  };
  const projections = make([shop.projection], tracer);
  await projections.start(signal);
  await process.put('traced', { kind: 'a', amount: 1 });
  await eventually('it has its effect', async () => {
    const row = await it.admin.first(sql`select from parts.counts where kind = 'a'`);
    return row !== undefined;
  });
  await projections.stop(signal);
  assert.equal(seen[0], '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
});

test('a stop cuts off what is under way', async () => {
  const projections = make();
  await projections.start(signal);
  const rebuilding = assert.rejects(projections.rebuild(shop.name, { signal }), { code: 'stopped' });
  await projections.stop(signal);
  await rebuilding;
});
