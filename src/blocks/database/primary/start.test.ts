/**
 * Starts on servers that are late, wrong, mute, or give their login few rights; and how long a request waits.
 */
import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { lifecycleSuite } from '#base/lifecycle.suite';
import { eventually } from '#base/testing/eventually.fixture';
import { readControlFile } from '#fixtures/postgres';
import { makeTestDatabase, makeTestDirectory, startTestPostgres } from '../fixture.ts';
import { shopMigrations } from '../migrate/migrations.fixture.ts';
import { identifier, sql } from '../sql.ts';

const strong = { consistency: 'strong' } as const;
const signal = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
const postgres = await startTestPostgres();
const { admin } = postgres;

/** A database that has not been started, and what its start says. */
function withPrimary(primary: string, startTimeoutMs?: number) {
  const migrations = [shopMigrations({ '0001_seats.sql': 'create table shop.seats (seat integer);' })];
  const lines: string[] = [];
  const options = { primary, ...(startTimeoutMs === undefined ? {} : { startTimeoutMs }) };
  const { database } = makeTestDatabase({ migrations, options, report: (line) => lines.push(line) });
  return { database, lines };
}

const nameIn = (url: string) => /@\/(\w+)\?/.exec(url)?.[1] as string;

async function assertServes(primary: string): Promise<void> {
  const { database } = withPrimary(primary);
  await database.start(signal);
  await database.transact(placement, { signal }, (tx) => tx.run(sql`insert into shop.seats values (1)`));
  assert.equal((await database.reader(strong).rows(sql`select seat from shop.seats`)).length, 1);
  assert.equal((await database.core.rows(sql`select name from core.workspaces`)).length, 1);
  await assert.rejects(database.reader(strong).rows(sql`select name from core.workspaces`));
  await database.stop(signal);
  await assertStartsAgain(primary);
}

async function assertStartsAgain(primary: string): Promise<void> {
  const { database } = withPrimary(primary);
  await database.start(signal);
  await database.stop(signal);
}

// The roles belong to the whole server, so the order of these three matters.
test('a login that may not make the roles is refused, and nothing of it stays', async () => {
  await admin.run(sql`create role poor login`);
  const { database } = withPrimary(await postgres.makeDatabase('poor'));
  await assert.rejects(database.start(signal), {
    code: 'database_unsupported',
    message: /0001_roles: permission denied to create role/,
  });
  assert.equal(database.health().status, 'failing');
  assert.deepEqual(await admin.rows(sql`select rolname from pg_roles where rolname like 'loadstone_%'`), [
    { rolname: 'loadstone_super' },
  ]);
});

test('a login that may make roles, and owns its database, is enough', async () => {
  await admin.run(sql`create role maker login createrole`);
  await assertServes(await postgres.makeDatabase('maker'));
});

test('a login to which ready-made roles are granted is enough', async () => {
  await admin.run(sql`create role given login`);
  await admin.run(sql`
    grant loadstone_owner, loadstone_app, loadstone_system to given with inherit false, set true`);
  const primary = await postgres.makeDatabase();
  await admin.run(sql`grant create on database ${identifier(nameIn(primary))} to loadstone_owner`);
  await assertServes(primary.replace('loadstone_super', 'given'));
});

describe('start', { concurrency: true }, () => {
  test('a login that does not exist, and a database that does not, are refused at once', async () => {
    const primary = await postgres.makeDatabase();
    const wrongs = [
      primary.replace('loadstone_super', 'nobody'),
      primary.replace(nameIn(primary), 'nowhere'),
    ];
    for (const wrong of wrongs) {
      const { database } = withPrimary(wrong);
      await assert.rejects(database.start(signal), {
        code: 'database_unsupported',
        message: /cannot log in: .* does not exist/,
      });
    }
  });

  test('a server that is late is waited for', async () => {
    const late = join(makeTestDirectory(), 'sockets');
    const url = await postgres.makeDatabase();
    const primary = url.replace(encodeURIComponent(postgres.socketDirectory), encodeURIComponent(late));
    const { database, lines } = withPrimary(primary);
    const starting = database.start(signal);
    await eventually('it says that it waits', () => lines.some((line) => /cannot be reached yet/.test(line)));
    symlinkSync(postgres.socketDirectory, late);
    await starting;
    assert.deepEqual(database.health(), { status: 'ok' });
    await database.stop(signal);
  });

  test('a server that never comes ends the start after its time, with the reason', async () => {
    const nowhere = `postgres://a@/b?host=${encodeURIComponent(makeTestDirectory())}`;
    const { database } = withPrimary(nowhere, 1000);
    await assert.rejects(database.start(signal), {
      code: 'database_unavailable',
      message: /after 1000 ms \(database\.startTimeoutMs\): Postgres cannot be reached yet: connect ENOENT/,
    });
  });

  test('a stop ends the waiting at once', async () => {
    const { database, lines } = withPrimary(
      `postgres://a@/b?host=${encodeURIComponent(makeTestDirectory())}`,
    );
    const starting = assert.rejects(database.start(signal), { code: 'stopped' });
    await eventually('it waits', () => lines.length === 3);
    await database.stop(signal);
    await starting;
  });

  test('before its start a database answers nothing, and a reader made then works after it', async () => {
    const { database } = withPrimary(await postgres.makeDatabase());
    const reader = database.reader(strong);
    await assert.rejects(reader.rows(sql`select 1`), { code: 'database_unavailable', retryAfterS: 1 });
    await assert.rejects(database.core.rows(sql`select 1`), { code: 'database_unavailable' });
    const write = database.transact(placement, { signal }, async () => 1);
    await assert.rejects(write, { code: 'database_unavailable' });
    await database.start(signal);
    assert.deepEqual(await reader.rows(sql`select 1 as one`), [{ one: 1 }]);
    await database.stop(signal);
  });

  test('a write without a system or a workspace is a programmer error', async () => {
    const { database } = withPrimary('postgres://nowhere');
    for (const wrong of [{ system: '' }, { workspaceId: '' }]) {
      const write = database.transact({ ...placement, ...wrong }, { signal }, async () => 1);
      await assert.rejects(write, { code: 'ERR_ASSERTION' });
    }
  });

  test('a server that takes connections and never answers is given up after five seconds, and tried again', async () => {
    const directory = makeTestDirectory();
    const mute = createServer().listen(join(directory, '.s.PGSQL.5432'));
    const { database, lines } = withPrimary(`postgres://a@/b?host=${encodeURIComponent(directory)}`);
    const starting = assert.rejects(database.start(signal), { code: 'stopped' });
    await eventually('it says so', () => lines.includes('Postgres cannot be reached yet: timeout expired'));
    await database.stop(signal);
    await starting;
    mute.close();
  });

  test('a request that has waited for a connection for five seconds is told that the database is busy', async () => {
    const { database } = makeTestDatabase({
      options: { primary: await postgres.makeDatabase(), poolMax: 1 },
    });
    await database.start(signal);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const holding = database.transact(placement, { signal }, (tx) =>
      tx.run(sql`select 1`).then(() => released),
    );
    await assert.rejects(database.reader(strong).rows(sql`select 2`), {
      code: 'database_busy',
      message: 'no connection became free in time',
    });
    assert.deepEqual(database.health(), { status: 'ok' });
    release();
    await holding;
    await database.stop(signal);
  });

  describe('external', { concurrency: 1 }, async () => {
    const primary = await postgres.makeDatabase();
    lifecycleSuite('external database', async () => makeTestDatabase({ options: { primary } }).database);
    const replicas = [`postgres://a@/b?host=${encodeURIComponent(makeTestDirectory())}`];
    lifecycleSuite(
      'external database with a replica that is away',
      async () => makeTestDatabase({ options: { primary, replicas } }).database,
    );
  });
});

test('a start that fails in a migration stops the embedded Postgres in order', async () => {
  const migrations = [shopMigrations({ '0001_wrong.sql': 'select nonsense;' })];
  const { database, dataDirectory } = makeTestDatabase({ migrations });
  await assert.rejects(database.start(signal), { code: 'migration_failed' });
  assert(readControlFile(join(dataDirectory, 'postgres')).isShutDown);
});
