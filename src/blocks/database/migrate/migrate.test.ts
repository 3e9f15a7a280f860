import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { silentLog } from '#base/log';
import { eventually } from '#base/testing/eventually.fixture';
import { parseAddress } from '../address.ts';
import { makeTestDirectory, startTestDatabase, startTestPostgres } from '../fixture.ts';
import type { Queryable } from '../queryable.ts';
import { sql } from '../sql.ts';
import { migrate } from './migrate.ts';
import type { MigrationSet } from './migration-files.ts';
import { shopMigrations } from './migrations.fixture.ts';

const postgres = await startTestPostgres();
/** Longer than any test here takes; without it a failed one could go on trying for ever. */
const soon = () => AbortSignal.timeout(30_000);
const ITEMS = 'create table shop.items (id integer primary key, name text);';

/** An empty shop: the roles and `core` are there, `shop` is not. */
async function makeShop() {
  const primary = await postgres.makeDatabase();
  const { admin } = await startTestDatabase({ options: { primary } });
  const lines: string[] = [];
  const shop = {
    url: primary,
    admin,
    lines,
    migrateSet: (set: MigrationSet, signal = soon()) =>
      migrate(() => parseAddress(primary), [set], {
        clock: systemClock,
        log: silentLog,
        signal,
        report: (line) => lines.push(line),
      }),
    migrate: (files: Record<string, string>, signal = soon()) =>
      shop.migrateSet(shopMigrations(files), signal),
    applied: () =>
      admin.rows(sql`select number, name from core.migrations where room = 'shop' order by number`),
    tables: async () =>
      (
        await admin.rows<{ name: string }>(
          sql`select tablename as name from pg_tables where schemaname = 'shop' order by name`,
        )
      ).map(({ name }) => name),
  };
  return shop;
}

const indexes = (admin: Queryable) =>
  admin.rows(sql`select relname as name, indisvalid as valid from pg_index join pg_class on oid = indexrelid
    where relnamespace = 'shop'::regnamespace and not indisprimary`);

// First, while the server does not have the roles yet: they belong to all its databases.
test('servers that start at once on a new Postgres, two on each of two databases, all start', async () => {
  const primaries = [await postgres.makeDatabase(), await postgres.makeDatabase()];
  const starts = [...primaries, ...primaries].map((primary) => startTestDatabase({ options: { primary } }));
  for (const started of await Promise.all(starts)) {
    assert.deepEqual(started.database.health(), { status: 'ok' });
    await started.stop();
  }
});

describe('migrate', { concurrency: true }, () => {
  test('each is applied once, in order, and later ones after them', async () => {
    const shop = await makeShop();
    const files = {
      '0001_items.sql': ITEMS,
      '0002_price.sql': 'alter table shop.items add column price integer;',
    };
    assert.equal(await shop.migrate(files), 2);
    assert.equal(await shop.migrate(files), 0);
    assert.equal(await shop.migrate({ ...files, '0003_seats.sql': 'create table shop.seats ();' }), 1);
    assert.deepEqual(await shop.tables(), ['items', 'seats']);
    assert.deepEqual(await shop.applied(), [
      { number: 1, name: '0001_items' },
      { number: 2, name: '0002_price' },
      { number: 3, name: '0003_seats' },
    ]);
    assert.deepEqual(
      await shop.admin.first(sql`select tableowner as owner from pg_tables where tablename = 'seats'`),
      { owner: 'loadstone_owner' },
    );
  });

  test('many at once apply each once, also one that waits for all other transactions', async () => {
    const shop = await makeShop();
    const set = shopMigrations({
      '0001_items.sql': `${ITEMS} select pg_sleep(0.2);`,
      '0002_index.sql': '-- no-transaction\ncreate index concurrently items_by_name on shop.items (name);',
    });
    const counts = await Promise.all(Array.from({ length: 4 }, () => shop.migrateSet(set)));
    assert.deepEqual(counts.toSorted(), [0, 0, 0, 2]);
    assert.deepEqual(await indexes(shop.admin), [{ name: 'items_by_name', valid: true }]);
    assert(shop.lines.includes('another process is migrating the database'));
  });

  test('one that was changed after it had been applied is refused; line ends do not count', async () => {
    const shop = await makeShop();
    const text = `-- what is sold\n${ITEMS}\n`;
    await shop.migrate({ '0001_items.sql': text });
    assert.equal(await shop.migrate({ '0001_items.sql': text.replaceAll('\n', '\r\n') }), 0);
    await assert.rejects(shop.migrate({ '0001_items.sql': `${text} ` }), {
      code: 'migration_failed',
      message: /shop: 0001_items was changed after it had been applied/,
    });
  });

  test('one that fails leaves nothing; those before it stay, and it goes on from there', async () => {
    const shop = await makeShop();
    const files = {
      '0001_items.sql': ITEMS,
      '0002_seats.sql': 'create table shop.seats (); insert into shop.seats values (1);',
    };
    await assert.rejects(shop.migrate(files), {
      code: 'migration_failed',
      message: /shop: 0002_seats: INSERT has more expressions/,
    });
    assert.deepEqual(await shop.tables(), ['items']);
    assert.deepEqual(await shop.applied(), [{ number: 1, name: '0001_items' }]);
    assert.equal(await shop.migrate({ ...files, '0002_seats.sql': 'create table shop.seats ();' }), 1);
  });

  test('one that is killed in the middle is done again, and leaves nothing half', async () => {
    const shop = await makeShop();
    const migrating = shop.migrate({
      '0001_items.sql': `${ITEMS} select pg_sleep(case when exists
        (select from core.workspaces where name = 'killed') then 0 else 30 end);`,
    });
    const { pid } = await eventually('it sleeps', () =>
      shop.admin.first<{ pid: number }>(sql`
        select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`),
    );
    await shop.admin.run(sql`update core.workspaces set name = 'killed'`);
    await shop.admin.run(sql`select pg_terminate_backend(${pid})`);
    assert.equal(await migrating, 1);
    assert.match(shop.lines.join(), /Postgres cannot be reached yet/);
  });

  test('one that runs into the deadline of the start is undone', async () => {
    const shop = await makeShop();
    const { signal } = createDeadline(systemClock, 100);
    const migrating = shop.migrate({ '0001_items.sql': `${ITEMS} select pg_sleep(30);` }, signal);
    await assert.rejects(migrating, { code: 'deadline_exceeded' });
    await eventually('Postgres has undone it', async () => {
      const query = sql`select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`;
      return (await shop.admin.first(query)) === undefined;
    });
    assert.deepEqual(await shop.tables(), []);
  });

  test('one that ends its own transaction is refused', async () => {
    const shop = await makeShop();
    await assert.rejects(shop.migrate({ '0001_items.sql': `${ITEMS} commit; select 1 / 0;` }), {
      code: 'migration_failed',
    });
    await assert.rejects(shop.migrate({ '0001_items.sql': 'create table shop.other (); commit;' }), {
      code: 'migration_failed',
      message: /it ends its transaction/,
    });
    assert.deepEqual(await shop.applied(), []);
  });

  test('an index that an interrupted try has left invalid is made again', async () => {
    const shop = await makeShop();
    const files = {
      '0001_items.sql': `${ITEMS} insert into shop.items values (1, 'same'), (2, 'same');`,
      '0002_index.sql':
        '-- no-transaction\ncreate unique index concurrently if not exists names on shop.items (name);',
    };
    await assert.rejects(shop.migrate(files), { code: 'migration_failed', message: /0002_index: could not/ });
    assert.deepEqual(await indexes(shop.admin), [{ name: 'names', valid: false }]);
    await shop.admin.run(sql`delete from shop.items where id = 2`);
    assert.equal(await shop.migrate(files), 1);
    assert.deepEqual(await indexes(shop.admin), [{ name: 'names', valid: true }]);
  });

  test('one that waits for a table in use steps back, so that others are not kept waiting', async () => {
    const shop = await makeShop();
    const files = { '0001_items.sql': ITEMS };
    await shop.migrate(files);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { database } = await startTestDatabase({ options: { primary: shop.url } });
    const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
    const reading = database.transact(placement, { signal: soon() }, async (tx) => {
      await tx.rows(sql`select id from shop.items`);
      await released;
    });
    const migrating = shop.migrate({
      ...files,
      '0002_price.sql': 'alter table shop.items add price integer;',
    });
    await eventually('it waits', () =>
      shop.lines.includes('shop: 0002_price waits for a table that is in use'),
    );
    await database.reader({ consistency: 'strong' }).rows(sql`select id from shop.items`);
    release();
    await reading;
    assert.equal(await migrating, 1);
  });

  test('a database that is ahead is refused only when it says that this program is too old for it', async () => {
    const shop = await makeShop();
    const one = { '0001_items.sql': ITEMS };
    const two = { ...one, '0002_price.sql': 'alter table shop.items add price integer;' };
    const three = { ...two, '0003_name.sql': '-- min-compatible: 2\nalter table shop.items drop name;' };
    assert.equal(await shop.migrate(two), 2);
    assert.equal(await shop.migrate(one), 0);
    assert.equal(await shop.migrate(three), 1);
    assert.equal(await shop.migrate(two), 0);
    await assert.rejects(shop.migrate(one), {
      code: 'database_too_new',
      message: /shop: the database is at 0003_name and works with programs that know 2 or more migrations/,
    });
  });

  test('where the primary is is asked at each try: it may have been replaced', async () => {
    const shop = await makeShop();
    const nowhere = `postgres://a@/b?host=${encodeURIComponent(makeTestDirectory())}`;
    const tried = [shop.url, nowhere];
    const migrating = migrate(() => parseAddress(tried.pop() ?? shop.url), [shopMigrations({})], {
      clock: systemClock,
      log: silentLog,
      signal: soon(),
      report: () => {},
    });
    assert.equal(await migrating, 0);
    assert.deepEqual(tried, []);
  });

  test('a set that cannot be read is refused before anything is applied', async () => {
    const shop = await makeShop();
    const bad = shopMigrations({ '0001_items.sql': ITEMS, '0003_gap.sql': 'select 1;' });
    await assert.rejects(shop.migrateSet(bad), { code: 'migration_failed' });
    const twice = shopMigrations({});
    const both = migrate(() => parseAddress('postgres://nowhere'), [twice, twice], {
      clock: systemClock,
      log: silentLog,
      signal: soon(),
      report: () => {},
    });
    await assert.rejects(both, { code: 'ERR_ASSERTION' });
    assert.deepEqual(await shop.tables(), []);
  });
});
