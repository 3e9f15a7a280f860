/**
 * What every engine of the database promises about looks at the whole (`snapshot`) and changes of a table as a whole
 * (`alter`).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { assertPoolIsWhole, type TestDatabase } from './fixture.ts';
import type { Queryable } from './queryable.ts';
import { sql } from './sql.ts';

const signal = new AbortController().signal;
const look = { signal, timeoutMs: 5000 };
const change = { signal, timeoutMs: 5000, lockTimeoutMs: 200 };
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };

const insert = (name: string) =>
  sql`insert into shop.items (workspace_id, bucket, name) values (1, 0, ${name})`;
const find = (name: string) => sql<{ name: string }>`select name from shop.items where name = ${name}`;
const limits = sql<{
  who: string;
  statement: string;
  whole: string;
  idle: string;
  lock: string;
  isolation: string;
}>`
  select current_user::text as who, current_setting('statement_timeout') as statement,
    current_setting('transaction_timeout') as whole,
    current_setting('idle_in_transaction_session_timeout') as idle, current_setting('lock_timeout') as lock,
    current_setting('transaction_isolation') as isolation`;

export function wholeTests(db: () => TestDatabase): void {
  const write = (name: string) => db().database.transact(placement, { signal }, (tx) => tx.run(insert(name)));

  test('all of a snapshot sees one moment, which is that of its first query', async () => {
    const seen = await db().database.snapshot(look, async (tx) => {
      await tx.run(sql`lock table shop.items in access share mode`);
      await write('before');
      const before = await tx.first(find('before'));
      await write('after');
      return [before, await tx.first(find('after'))];
    });
    assert.deepEqual(seen, [{ name: 'before' }, undefined]);
  });

  test('a snapshot may keep what it writes, and temporary tables end with it', async () => {
    for (let i = 0; i < 2; i++) {
      await db().database.snapshot(look, async (tx) => {
        await tx.run(sql`create temporary table copied (like shop.items including all) on commit drop`);
        await tx.run(sql`insert into pg_temp.copied (workspace_id, bucket, name) values (1, 0, 'copied')`);
        await tx.run(sql`
          insert into shop.items (workspace_id, bucket, name) select workspace_id, bucket, name from pg_temp.copied`);
      });
    }
    assert.equal((await db().admin.rows(find('copied'))).length, 2);
  });

  test('each has its own limits and role, which end with it', async () => {
    const { database } = db();
    const inSnapshot = await database.snapshot({ ...look, role: 'system' }, (tx) => tx.first(limits));
    assert.deepEqual(inSnapshot, {
      who: 'loadstone_system',
      statement: '5s',
      whole: '5s',
      idle: '5s',
      lock: '0',
      isolation: 'repeatable read',
    });
    const inChange = await database.alter(change, (tx) => tx.first(limits));
    assert.deepEqual(inChange, {
      who: 'loadstone_owner',
      statement: '5s',
      whole: '5s',
      idle: '5s',
      lock: '200ms',
      isolation: 'read committed',
    });
    const after = await Promise.all([1, 2, 3].map(() => database.core.first(limits)));
    for (const each of after) {
      assert.equal(each?.who, 'loadstone_system');
      assert.equal(each?.whole, '30s');
      assert.equal(each?.lock, '0');
    }
  });

  test('the limit of the whole is kept by Postgres, also where it is shorter than that of the connection', async () => {
    await assert.rejects(
      db().database.snapshot({ signal, timeoutMs: 100 }, (tx) => tx.run(sql`select pg_sleep(10)`)),
      { code: 'deadline_exceeded' },
    );
    await assertPoolIsWhole(db());
  });

  test('a change can replace a table, and others come through while it waits for one', async () => {
    const { database } = db();
    await database.alter(change, async (tx) => {
      await tx.run(sql`create table shop.replaced (n integer)`);
    });
    let held: Promise<unknown> | undefined;
    let release = () => {};
    const isHeld = new Promise<void>((resolve) => {
      held = database.transact(placement, { signal }, async (tx: Queryable) => {
        await tx.run(sql`insert into shop.replaced values (1)`);
        resolve();
        await new Promise<void>((done) => {
          release = done;
        });
      });
    });
    await isHeld;
    const replace = () =>
      database.alter(change, async (tx) => {
        await tx.run(sql`drop table shop.replaced`);
        await tx.run(sql`create table shop.replaced (n integer)`);
      });
    await assert.rejects(replace(), { code: 'database_conflict' });
    const read = sql`select n from shop.replaced`;
    assert.deepEqual(await database.core.rows(read), []);
    release();
    await held;
    assert.deepEqual(await database.core.rows(read), [{ n: 1 }]);
    await replace();
    assert.deepEqual(await database.core.rows(read), []);
    await database.alter(change, (tx) => tx.run(sql`drop table shop.replaced`));
    await eventually('it is gone', async () => {
      const found = await db().admin.first<{ is: boolean }>(
        sql`select to_regclass('shop.replaced') is null as is`,
      );
      return found?.is;
    });
  });

  test('what fails in one changes nothing', async () => {
    const failing = db().database.alter(change, async (tx) => {
      await tx.run(sql`drop table shop.secrets`);
      throw new Error('changed our mind');
    });
    await assert.rejects(failing, /changed our mind/);
    assert.equal((await db().admin.rows(sql`select secret from shop.secrets`)).length, 1);
  });
}
