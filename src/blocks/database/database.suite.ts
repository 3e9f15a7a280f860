/**
 * The conformance suite of the database: every engine passes it. Here are reads, roles, limits and failures;
 * transactions are in transact.suite.ts.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { eventually } from '#base/testing/eventually.fixture';
import { assertPoolIsWhole, sessionsWith, type TestDatabase, type TestDatabaseSettings } from './fixture.ts';
import { SUITE_TABLES, shopMigrations } from './migrate/migrations.fixture.ts';
import type { Queryable } from './queryable.ts';
import { type Sql, sql } from './sql.ts';
import { transactTests } from './transact.suite.ts';
import { wholeTests } from './whole.suite.ts';

const CONNECTIONS = 3;
const WAITERS = 2;

/** @param start starts a database of the engine; its options ask for few connections, so that they can be used up */
export function databaseSuite(
  name: string,
  start: (settings: TestDatabaseSettings) => Promise<TestDatabase>,
): void {
  describe(name, { concurrency: 1 }, () => {
    let started: TestDatabase;
    before(async () => {
      started = await start({
        migrations: [shopMigrations({ '0001_tables.sql': SUITE_TABLES })],
        options: { poolMax: CONNECTIONS, waitMax: WAITERS },
      });
    });
    const db = () => started;
    valueTests(db);
    roleTests(db);
    failureTests(db);
    transactTests(db, { connections: CONNECTIONS, waiters: WAITERS });
    wholeTests(db);
    stopTests(db);
  });
}

const strong = { consistency: 'strong' } as const;
const never = new AbortController().signal;

/** One statement with the rights of callers, read outside of a transaction or written in one. */
function asApp(db: TestDatabase): Queryable {
  const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
  return {
    ...db.database.reader(strong),
    run: (query) => db.database.transact(placement, { signal: never }, (tx) => tx.run(query)),
  };
}
const sqlState = (code: string) => (error: Error) => (error.cause as { code?: unknown }).code === code;

function valueTests(db: () => TestDatabase): void {
  const app = () => asApp(db());

  test('values arrive as they were sent, and 64-bit integers come back as strings', async () => {
    const at = new Date('2026-03-29T01:30:00.123Z');
    const row = await app().first(sql`
      select ${'9007199254740993'}::bigint as id, ${at}::timestamptz as at, ${'x\u{1f600}\'"\\'}::text as text,
        ${Buffer.from([0, 255])}::bytea as bytes, ${null}::text as none, ${['a', 'b,"']}::text[] as list,
        ${2.5}::float8 as number, ${12n}::integer as big, ${false}::boolean as no, ${[['1'], ['2']]}::bigint[] as nested`);
    assert.deepEqual(row, {
      id: '9007199254740993',
      at,
      text: 'x\u{1f600}\'"\\',
      bytes: Buffer.from([0, 255]),
      none: null,
      list: ['a', 'b,"'],
      number: 2.5,
      big: 12,
      no: false,
      nested: [['1'], ['2']],
    });
  });

  test('rows gives all, first the first or undefined, run the count', async () => {
    const numbers = (most: number) =>
      sql<{ n: number }>`select n from generate_series(1, ${most}::integer) n`;
    assert.deepEqual(await app().rows(numbers(2)), [{ n: 1 }, { n: 2 }]);
    assert.deepEqual(await app().first(numbers(2)), { n: 1 });
    assert.equal(await app().first(numbers(0)), undefined);
    assert.equal(await app().run(sql`insert into shop.seats values (${1}), (${2}), (${3})`), 3);
    assert.equal(await app().run(sql`delete from shop.seats where seat < ${3}`), 2);
  });

  test('a query that the tag has not made is refused', async () => {
    const forged = { text: 'select 1', values: [] } as Sql;
    await assert.rejects(app().rows(forged), { code: 'ERR_ASSERTION' });
    await assertPoolIsWhole(db());
  });

  test('a violated constraint arrives as itself, anything else as database_failed with its cause', async () => {
    const insert = sql`insert into shop.items (workspace_id, bucket, name, stock) values (1, 0, 'n', ${-1})`;
    await assert.rejects(app().run(insert), { code: '23514', constraint: 'stock_not_negative' });
    const divide = sql`select 1 / ${0}::integer`;
    await assert.rejects(app().run(divide), { code: 'database_failed', status: 500 });
    await assert.rejects(app().run(divide), sqlState('22012'));
    await assertPoolIsWhole(db());
  });
}

function roleTests(db: () => TestDatabase): void {
  const app = () => asApp(db());
  const system = () => db().database.core;

  test('app has no way round row security, and RESET ROLE does not lead out of it', async () => {
    const role = await app().first(sql`
      select current_user as name, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin
      from pg_roles where rolname = current_user`);
    const none = { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcanlogin: false };
    assert.deepEqual(role, { name: 'loadstone_app', ...none });
    await db().admin.run(sql`insert into shop.secrets values ('secret')`);
    assert.deepEqual(await app().rows(sql`select secret from shop.secrets`), []);
    const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
    const found = await db().database.transact(placement, { signal: never }, async (tx) => {
      await tx.run(sql`reset role`);
      return tx.rows(sql`select current_user as role, secret from shop.secrets`);
    });
    assert.deepEqual(found, []);
  });

  test("app reads and writes systems' tables, and neither changes them nor sees the server's own", async () => {
    const forbidden = [
      sql`select name from core.workspaces`,
      sql`select room from core.migrations`,
      sql`create table shop.more (id integer)`,
      sql`create schema more`,
      sql`alter table shop.items add column more integer`,
      sql`truncate shop.items`,
      sql`drop table shop.seats`,
      sql`alter role loadstone_app bypassrls`,
    ];
    for (const query of forbidden) await assert.rejects(app().run(query), sqlState('42501'), query.text);
    const added = await app().first<{ item_id: string; number: number }>(sql`
      insert into shop.items (workspace_id, bucket, name) values (1, 0, 'n') returning item_id, number`);
    assert.equal(typeof added?.item_id, 'string');
    await app().run(sql`update shop.items set name = 'm' where item_id = ${added!.item_id}`);
    assert.equal(await app().run(sql`delete from shop.items where item_id = ${added!.item_id}`), 1);
  });

  test("system reads and writes systems' tables, reads the server's own, and is no superuser", async () => {
    assert.deepEqual(await system().first(sql`select current_user as role, name from core.workspaces`), {
      role: 'loadstone_system',
      name: 'default',
    });
    const reader = db().database.reader({ ...strong, role: 'system' });
    await system().run(sql`insert into shop.items (workspace_id, bucket, name) values (1, 0, 'of system')`);
    assert.equal((await reader.rows(sql`select name from shop.items where name = 'of system'`)).length, 1);
    const change = system().run(sql`update core.workspaces set name = 'mine'`);
    await assert.rejects(change, { code: 'database_failed' });
    await assert.rejects(system().rows(sql`select rolname from pg_authid`), { code: 'database_failed' });
  });
}

function failureTests(db: () => TestDatabase): void {
  const app = () => asApp(db());

  test('a read whose deadline passes ends at once, and so does its query in Postgres', async () => {
    const deadline = createDeadline(systemClock, 100);
    const read = db().database.reader({ ...strong, signal: deadline.signal });
    await assert.rejects(read.rows(sql`select pg_sleep(30) as slow_read`), { code: 'deadline_exceeded' });
    await assertGone('slow_read');
    await assert.rejects(read.rows(sql`select 1`), { code: 'deadline_exceeded' });
    await assertPoolIsWhole(db());
    assert.deepEqual(db().database.health(), { status: 'ok' });
  });

  test('one connection that breaks while idle is replaced, and health is ok again by itself', async () => {
    await assertPoolIsWhole(db());
    const ended = await db().admin.rows(sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'loadstone loadstone_app'`);
    assert.equal(ended.length, CONNECTIONS);
    const isWhole = () =>
      assertPoolIsWhole(db()).then(
        () => true,
        () => false,
      );
    await eventually('the pool is whole', isWhole);
    await eventually('health is ok', () => db().database.health().status === 'ok');
  });

  test('a plan that no longer fits its table fails once a connection, not for ever', async () => {
    const read = () => app().rows<{ seat: string | number }>(sql`select seat from shop.seats`);
    const readAll = () => Promise.allSettled(Array.from({ length: CONNECTIONS }, read));
    await readAll();
    await db().admin.run(sql`alter table shop.seats alter column seat type bigint`);
    assert((await readAll()).some(({ status }) => status === 'rejected'));
    assert((await readAll()).every(({ status }) => status === 'fulfilled'));
  });

  test('metrics tell how many connections are in use and how many wait', async () => {
    // Expected before it is cancelled: its failure may arrive before the answer to the cancelling statement.
    const cancelled = assert.rejects(app().run(sql`select pg_sleep(30) as in_use`), {
      code: 'deadline_exceeded',
    });
    const session = await eventually('it runs', async () => (await sessionsWith(db(), 'in_use'))[0]);
    const text = await db().metrics.registry.metrics();
    assert.match(text, /^loadstone_database_connections_in_use\{role="app"\} 1$/m);
    assert.match(text, /^loadstone_database_waiting\{role="app"\} 0$/m);
    await db().admin.run(sql`select pg_cancel_backend(${session.pid})`);
    await cancelled;
  });

  async function assertGone(text: string): Promise<void> {
    const beganMs = systemClock.monotonicMs();
    await eventually('the query is gone', async () => {
      const sessions = await sessionsWith(db(), text);
      return sessions.every(({ state }) => state !== 'active');
    });
    assert(systemClock.monotonicMs() - beganMs < 2000, 'the query went on for two seconds');
  }
}

function stopTests(db: () => TestDatabase): void {
  test('after a stop nothing is answered', async () => {
    await db().stop();
    await assert.rejects(db().database.reader(strong).rows(sql`select 1`), { code: 'stopped' });
    assert.equal(db().database.health().status, 'failing');
  });
}
