import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { SchemaNode } from '#base/options/schema';
import { startTestDatabase, type TestDatabase } from './fixture.ts';
import { databaseLimits, indexBytes, rowBytes } from './model.ts';
import { databaseOptions } from './options.ts';
import { type Sql, sql } from './sql.ts';

const ROWS = 20_000;
const TOLERANCE = 0.25;

let it: TestDatabase;
before(async () => {
  it = await startTestDatabase();
});

async function measure(table: Sql, size: 'table' | 'indexes'): Promise<number> {
  const asked = size === 'table' ? sql`pg_table_size` : sql`pg_indexes_size`;
  const row = await it.admin.first<{ bytes: number }>(
    sql`select ${asked}(${table}::regclass)::float8 as bytes`,
  );
  return (row?.bytes ?? 0) / ROWS;
}

function assertNear(model: number, measured: number, what: string): void {
  const off = Math.abs(model / measured - 1);
  assert(off <= TOLERANCE, `${what}: ${model.toFixed(0)} by the model, ${measured.toFixed(0)} measured`);
}

test('a row and its index entries take about what the model says', async () => {
  await it.admin.run(
    sql`create table one (id bigint primary key, hash bytea not null unique, body text not null)`,
  );
  for (const length of [64, 640, 1600]) {
    await it.admin.run(sql`truncate one`);
    await it.admin.run(sql`
      insert into one select i, sha256(i::text::bytea), repeat('x', ${length}::integer)
      from generate_series(1, ${ROWS}::integer) i`);
    assertNear(
      rowBytes(8 + 33, length + 4),
      await measure(sql`'one'`, 'table'),
      `a row with ${length} bytes`,
    );
    const indexes = indexBytes(8, true) + indexBytes(33, false);
    assertNear(indexes, await measure(sql`'one'`, 'indexes'), 'its indexes');
  }
});

test('so does a row too long for its page', async () => {
  await it.admin.run(sql`create table long (id bigint primary key, body bytea not null)`);
  await it.admin.run(sql`alter table long alter body set storage external`);
  for (const length of [3000, 20_000]) {
    await it.admin.run(sql`truncate long`);
    await it.admin.run(sql`
      insert into long select i, convert_to(repeat('x', ${length}::integer), 'UTF8')
      from generate_series(1, ${ROWS}::integer / 10) i`);
    const measured = (await measure(sql`'long'`, 'table')) * 10;
    assertNear(rowBytes(8, length), measured, `a row with ${length} bytes`);
  }
});

test('the limits are those of the options and of this Postgres', async () => {
  const { standbys, replicas } = databaseOptions.properties as unknown as Record<string, SchemaNode>;
  assert.equal(standbys?.maximum, databaseLimits.standbysMax);
  assert.equal(replicas?.maxItems, databaseLimits.replicasMax);
  const found = await it.admin.first(sql`
    select current_setting('max_wal_senders')::integer as followers,
      pg_size_bytes(current_setting('max_wal_size'))::float8 as wal,
      current_setting('block_size')::float8 * 2 ^ 32 as table`);
  assert.deepEqual(found, {
    followers: databaseLimits.standbysMax + databaseLimits.replicasMax,
    wal: databaseLimits.walBytesKept,
    table: databaseLimits.tableBytesMax,
  });
});
