import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { type Database, sql, type Transaction } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { createLeader } from '../leader.ts';
import { leasesMigrations } from '../migrations.ts';
import { leaseStoreSuite } from '../store.suite.ts';
import type { LeaseStore } from '../store.ts';
import { createPostgresLeases } from './postgres.ts';

const signal = new AbortController().signal;
let started: TestDatabase;
let database: Database;
let store: LeaseStore;
before(async () => {
  started = await startTestDatabase({ migrations: [leasesMigrations] });
  database = started.database;
  store = createPostgresLeases(database.core);
});

async function fresh() {
  await started.admin.run(sql`delete from core.leases`);
  return { store, tx: database.core };
}

leaseStoreSuite('leases in Postgres', fresh);

lifecycleSuite('a leader on Postgres', async () => {
  await fresh();
  return createLeader(
    'relay',
    { leaseMs: 5000 },
    { clock: systemClock, random: systemRandom, log: silentLog, store },
  );
});

const transact = <T>(work: (tx: Transaction) => Promise<T>) =>
  database.transact({ system: 'core', workspaceId: '1', bucket: 0 }, { signal, role: 'system' }, work);

test('a taking waits for a transaction that has passed the fence, and then wins', async () => {
  await fresh();
  const held = await store.take('relay', 'first', undefined);
  const seen = await store.look('relay');
  let taking: Promise<unknown> = Promise.resolve();
  await transact(async (tx) => {
    await store.fence(tx, held!);
    let isTaken = false;
    taking = store.take('relay', 'second', seen).then((taken) => {
      isTaken = true;
      return taken;
    });
    // It waits: Postgres has it in a line for the row.
    for (let waiting = 0; waiting === 0; ) {
      waiting = await started.admin.run(sql`select from pg_locks where not granted`);
    }
    assert.equal(isTaken, false);
    await store.fence(tx, held!);
  });
  assert.deepEqual(await taking, { name: 'relay', epoch: 2 });
});

test('a fence that waited for a taking sees it', async () => {
  await fresh();
  const held = await store.take('relay', 'first', undefined);
  let fenced: Promise<unknown> = Promise.resolve();
  await transact(async (tx) => {
    await createPostgresLeases(tx).take('relay', 'second', await store.look('relay'));
    fenced = assert.rejects(
      transact((other) => store.fence(other, held!)),
      { code: 'lease_lost' },
    );
    for (let waiting = 0; waiting === 0; ) {
      waiting = await started.admin.run(sql`select from pg_locks where not granted`);
    }
  });
  await fenced;
});

test('two transactions of one holder may pass the fence at once', async () => {
  await fresh();
  const held = await store.take('relay', 'first', undefined);
  await transact(async (one) => {
    await store.fence(one, held!);
    await transact((two) => store.fence(two, held!));
  });
});
