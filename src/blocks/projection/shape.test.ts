/**
 * What a rebuild keeps of a table: everything, under the same names, or it is refused.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { identifier, type Sql, sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import { asOwner, makeShop, type Shop, startShopDatabase, startShopProcess } from './shop.fixture.ts';

const signal = new AbortController().signal;
let it: TestDatabase;
let made = 0;
before(async () => {
  it = await startShopDatabase();
});

async function setUp(): Promise<Shop> {
  made += 1;
  return makeShop(it, `shape${made}`);
}

const alterTable = (statement: Sql) => asOwner(it, (tx) => tx.run(statement));

async function rebuild(shop: Shop): Promise<void> {
  const process = await startShopProcess(it, shop, { hasRelay: false, hasConsumer: false });
  await process.projections.rebuild(shop.name, { signal }).finally(process.stop);
}

/** Everything that can be asked about a table, with all names. */
async function describeTable({ name }: Shop) {
  const table = `${name}.counts`;
  const shape = await asOwner(it, (tx) =>
    tx.first<{ lines: string[] }>(sql`select core.table_shape(${table}::regclass) as lines`),
  );
  const indexes = await it.admin.rows(sql`
    select indexname, indexdef from pg_indexes where schemaname = ${name} order by indexname`);
  const constraints = await it.admin.rows(sql`
    select conname, pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = ${table}::regclass order by conname`);
  const access = await it.admin.rows(sql`
    select grantor, grantee, privilege_type, is_grantable from information_schema.table_privileges
    where table_schema = ${name} and table_name = 'counts' order by grantee, privilege_type`);
  const policies = await it.admin.rows(sql`
    select policyname, permissive, roles, cmd, qual, with_check from pg_policies
    where schemaname = ${name} order by policyname`);
  const tables = await it.admin.rows(sql`
    select relname, relkind from pg_class where relnamespace = ${name}::regnamespace order by relname`);
  return { shape: shape?.lines, indexes, constraints, access, policies, tables };
}

test('indexes, constraints, privileges, policies, options, comments and all their names are kept', async () => {
  const shop = await setUp();
  const counts = identifier(`${shop.name}.counts`);
  const statements = [
    sql`alter table ${counts} rename constraint counts_pkey to counts_once`,
    sql`alter table ${counts} add constraint counts_touched unique (workspace_id, kind, touched_at) include (n)
        deferrable initially deferred`,
    sql`alter table ${counts} add constraint counts_whole check (n > -1000 and amount is not null)`,
    sql`alter table ${counts} add column label text collate "C" not null default 'none'`,
    sql`alter table ${counts} add column twice bigint generated always as (n * 2) stored`,
    sql`alter table ${counts} alter column kind set statistics 500`,
    sql`alter table ${counts} alter column label set storage external`,
    sql`create index counts_by_n on ${counts} (n desc nulls last) where n > 10`,
    sql`create index counts_twin_b on ${counts} using btree (lower(kind) text_pattern_ops) with (fillfactor = 70)`,
    sql`create index counts_twin_a on ${counts} using btree (lower(kind) text_pattern_ops) with (fillfactor = 70)`,
    sql`create unique index counts_amount on ${counts} (workspace_id, kind, amount) nulls not distinct`,
    sql`alter table ${counts} set (fillfactor = 60, autovacuum_enabled = off, toast.autovacuum_vacuum_threshold = 99)`,
    sql`alter table ${counts} enable row level security`,
    sql`alter table ${counts} force row level security`,
    sql`create policy counts_owner on ${counts} using (true)`,
    sql`create policy counts_system on ${counts} as permissive for all to loadstone_system using (true)
        with check (n is not null)`,
    sql`create policy counts_app on ${counts} as restrictive for select to loadstone_app, loadstone_system
        using (workspace_id > 0)`,
    sql`revoke insert, update, delete, truncate on ${counts} from loadstone_app`,
    sql`grant update (touched_at), insert (label) on ${counts} to loadstone_app`,
    sql`grant select on ${counts} to public`,
    sql`grant references on ${counts} to loadstone_app with grant option`,
    sql`comment on table ${counts} is 'It''s counted'`,
    sql`comment on column ${counts}.n is 'how many'`,
  ];
  for (const statement of statements) await alterTable(statement);
  const projection = { ...shop.projection, uncompared: ['touched_at', 'label'] };
  const before = await describeTable(shop);
  for (let i = 0; i < 2; i++) await rebuild({ ...shop, projection });
  assert.deepEqual(await describeTable(shop), before);
});

test('a migration that comes later finds the names that it expects', async () => {
  const shop = await setUp();
  const counts = identifier(`${shop.name}.counts`);
  await alterTable(sql`create index counts_by_n on ${counts} (n)`);
  await rebuild(shop);
  await alterTable(sql`alter table ${counts} drop constraint counts_pkey`);
  await alterTable(sql`alter table ${counts} add primary key (workspace_id, kind)`);
  await alterTable(sql`drop index ${identifier(`${shop.name}.counts_by_n`)}`);
  await alterTable(sql`create table ${identifier(`${shop.name}.counts_shadow`)} (n integer)`);
});

const unsupported: [string, (shop: Shop) => Sql][] = [
  [
    'used by rule',
    ({ name }) => sql`
    create view ${identifier(`${name}.seen`)} as select kind from ${identifier(`${name}.counts`)}`,
  ],
  [
    'trigger',
    ({ name }) => sql`
    create trigger counts_trigger before update on ${identifier(`${name}.counts`)}
    for each row execute function suppress_redundant_updates_trigger()`,
  ],
  [
    'constraint',
    ({ name }) => sql`
    alter table ${identifier(`${name}.counts`)} add constraint counts_item foreign key (workspace_id, kind)
    references ${identifier(`${name}.items`)}`,
  ],
  [
    'used by constraint',
    ({ name }) => sql`
    create table ${identifier(`${name}.parts`)} (workspace_id bigint, kind text,
      foreign key (workspace_id, kind) references ${identifier(`${name}.counts`)})`,
  ],
  [
    'used by sequence',
    ({ name }) => sql`alter table ${identifier(`${name}.counts`)} add column place serial`,
  ],
  [
    'inheritance',
    ({ name }) => sql`
    create table ${identifier(`${name}.child`)} () inherits (${identifier(`${name}.counts`)})`,
  ],
  [
    'statistics',
    ({ name }) => sql`
    create statistics ${identifier(`${name}.both`)} on n, amount from ${identifier(`${name}.counts`)}`,
  ],
];

for (const [what, statement] of unsupported) {
  test(`a table is refused, and left alone, when it has: ${what}`, async () => {
    const shop = await setUp();
    await alterTable(statement(shop));
    const before = await describeTable(shop);
    const refused = { code: 'projection_table_unsupported', message: new RegExp(what) };
    await assert.rejects(rebuild(shop), refused);
    assert.deepEqual(await describeTable(shop), before);
  });
}

test('nobody but the owner may call what replaces tables', async () => {
  const shop = await setUp();
  const table = `${shop.name}.counts`;
  const asSystem = it.database.core.run(sql`select core.make_shadow(${table}::regclass, 'counts_shadow')`);
  await assert.rejects(asSystem, { code: 'database_failed' });
});
