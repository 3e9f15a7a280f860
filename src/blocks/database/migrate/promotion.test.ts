/**
 * Another server becomes the primary, while the one before still runs: nothing is written there, or believed of it.
 */
import assert from 'node:assert/strict';
import { symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { eventually } from '#base/testing/eventually.fixture';
import { parsePosition } from '#blocks/postgres';
import { parseAddress } from '../address.ts';
import {
  makeTestDirectory,
  startTestDatabase,
  startTestPostgres,
  type TestDatabase,
  type TestPostgres,
} from '../fixture.ts';
import { databaseOptions } from '../options.ts';
import { createPrimary } from '../primary/primary.ts';
import { createPrimaryTerm } from '../primary/primary-term.ts';
import { caughtUp, startTestStandby, type TestStandby } from '../replicas/standby.fixture.ts';
import { identifier, sql } from '../sql.ts';
import { SUITE_TABLES, shopMigrations } from './migrations.fixture.ts';

const migrations = [shopMigrations({ '0001_tables.sql': SUITE_TABLES })];
const signal = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
const nameIn = (url: string) => /@\/(\w+)\?/.exec(url)?.[1] as string;

/** An address that leads to one server after another, as a virtual IP or a DNS name does. */
function movableAddress(database: string) {
  const directory = join(makeTestDirectory(), 'sockets');
  let leadsSomewhere = false;
  return {
    url: `postgres://loadstone_super@/${database}?host=${encodeURIComponent(directory)}`,
    leadTo(socketDirectory: string) {
      if (leadsSomewhere) unlinkSync(directory);
      symlinkSync(socketDirectory, directory);
      leadsSomewhere = true;
    },
  };
}

describe('a promotion', () => {
  const directory = makeTestDirectory();
  let old: TestPostgres;
  let standby: TestStandby;
  let address: ReturnType<typeof movableAddress>;
  let db: TestDatabase;
  before(async () => {
    old = await startTestPostgres(directory);
    const url = await old.makeDatabase();
    const set = await startTestDatabase({ migrations, options: { primary: url } });
    await set.stop();
    standby = await startTestStandby(directory);
    address = movableAddress(nameIn(url));
    address.leadTo(old.socketDirectory);
    const options = { primary: address.url, replicas: [standby.urlOf(nameIn(url))], poolMax: 2 };
    db = await startTestDatabase({ migrations, options });
    await caughtUp(db.admin, standby);
  });
  after(async () => {
    await db.stop();
    await standby.stop();
    await old.stop();
  });

  const sit = (seat: number, work: () => Promise<unknown> = async () => {}) => {
    const told: string[] = [];
    const onCommit = (position: string) => told.push(position);
    return db.database
      .transact(placement, { signal, onCommit }, async (tx) => {
        await tx.run(sql`insert into shop.seats values (${seat})`);
        await work();
      })
      .then(() => parsePosition(told.at(-1) ?? '')?.term);
  };

  test('a connection to the old primary is given up once the new one was seen, and its commit is not believed', async () => {
    assert.equal(await sit(1), 1);
    await caughtUp(db.admin, standby);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: written, resolve: tell } = Promise.withResolvers<void>();
    const inHand = sit(2, () => {
      tell();
      return released;
    });
    await written;
    await standby.promote();
    address.leadTo(standby.socketDirectory);
    // A second connection, and so a new one: it finds the new primary.
    assert.equal(await sit(3), 2);
    release();
    await assert.rejects(inHand, { code: 'outcome_unknown', message: /was replaced meanwhile/ });
    for (const seat of [4, 5, 6]) assert.equal(await sit(seat), 2);
    const seats = await db.database.core.rows(sql`select seat from shop.seats order by seat`);
    assert.deepEqual(seats, [{ seat: 1 }, { seat: 3 }, { seat: 4 }, { seat: 5 }, { seat: 6 }]);
  });

  test('the way back to the old one is refused, with a line that says so', async () => {
    address.leadTo(old.socketDirectory);
    await standby.admin.run(sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'loadstone loadstone_app'`);
    const refused = {
      code: 'database_unavailable',
      message: /is a primary that was replaced: it is at term 1, and term 2 has begun/,
    };
    await eventually('it is refused', async () => {
      const outcome = await sit(7).catch((error: unknown) => error);
      if (outcome instanceof Error && /was replaced/.test(outcome.message)) return true;
      assert.notEqual(outcome, 1, 'nothing is written to the old one');
      return false;
    });
    await assert.rejects(sit(8), refused);
    address.leadTo(standby.socketDirectory);
    assert.equal(await sit(9), 2);
  });

  test('the term is kept in a row, which replicas of the new primary will replay', async () => {
    await eventually('it is kept', async () => {
      const kept = await db.database.core.first(sql`select term from core.database_term`);
      return kept !== undefined && (kept as { term: number }).term === 2;
    });
  });
});

describe('moving to another address', () => {
  const directory = makeTestDirectory();
  let old: TestPostgres;
  let standby: TestStandby;
  let name: string;
  before(async () => {
    old = await startTestPostgres(directory);
    const url = await old.makeDatabase();
    name = nameIn(url);
    const set = await startTestDatabase({ migrations, options: { primary: url } });
    await set.stop();
    standby = await startTestStandby(directory);
  });
  after(async () => {
    await standby.stop();
    await old.stop();
  });

  test('who waits and who works is sent away, and the new primary is used once it takes writes', async () => {
    const options = parseOptions(databaseOptions, { poolMax: 1 });
    const primary = createPrimary(options, {
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics(),
      primaryTerm: createPrimaryTerm(),
    });
    const oldUrl = standby
      .urlOf(name)
      .replace(encodeURIComponent(standby.socketDirectory), encodeURIComponent(old.socketDirectory));
    await primary.open(parseAddress(oldUrl), signal);
    const pool = primary.pool('app');
    const working = pool.queryable().run(sql`select pg_sleep(30)`);
    const waiting = pool.queryable().run(sql`select 1`);
    const sentAway = [working, waiting].map((each) =>
      assert.rejects(each, {
        code: 'database_unavailable',
        message: 'another server has become the primary',
      }),
    );
    await eventually('one works', () => pool.inUse() === 1);
    primary.move(parseAddress(standby.urlOf(name)));
    await Promise.all(sentAway);
    assert.throws(() => primary.pool('app'), { code: 'database_unavailable', message: /is moving/ });
    assert.equal(primary.health().status, 'failing');

    await standby.promote();
    await eventually('it has moved', () => primary.health().status === 'ok');
    const written = primary
      .pool('system')
      .queryable()
      .run(sql`insert into ${identifier('shop.seats')} values (1)`);
    assert.equal(await written, 1);
    await primary.close(signal);
  });
});
