/**
 * Postgres dies while the server serves; stops, also while work is in hand.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { eventually } from '#base/testing/eventually.fixture';
import {
  makeTestDatabase,
  makeTestDirectory,
  readPostmasterFile,
  startTestDatabase,
  startTestPostgres,
  type TestDatabase,
} from '../fixture.ts';
import { SUITE_TABLES, shopMigrations } from '../migrate/migrations.fixture.ts';
import { startSocketProxy } from '../socket-proxy.fixture.ts';
import { sql } from '../sql.ts';

const migrations = [shopMigrations({ '0001_tables.sql': SUITE_TABLES })];
const strong = { consistency: 'strong' } as const;
const signal = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };

const sit = ({ database }: TestDatabase, seat: number) =>
  database.transact(placement, { signal }, (tx) => tx.run(sql`insert into shop.seats values (${seat})`));

/** @param dataDirectory of the Postgres that `db` uses */
async function diesAndComesBack(db: TestDatabase, dataDirectory: string): Promise<void> {
  await sit(db, 1);
  const inTheMiddle = db.database.transact(placement, { signal }, async (tx) => {
    await tx.run(sql`insert into shop.seats values (2)`);
    process.kill(readPostmasterFile(dataDirectory).pid, 'SIGKILL');
    await tx.run(sql`select pg_sleep(30)`);
  });
  await assert.rejects(inTheMiddle, { code: 'database_unavailable', status: 503, retryAfterS: 1 });
  await eventually('health fails', () => db.database.health().status === 'failing');
  await assert.rejects(sit(db, 3), { code: 'database_unavailable' });

  await eventually('health is ok again', () => db.database.health().status === 'ok');
  await sit(db, 4);
  const seats = await db.database.reader(strong).rows(sql`select seat from shop.seats order by seat`);
  assert.deepEqual(seats, [{ seat: 1 }, { seat: 4 }]);
}

describe('outages', { concurrency: true }, () => {
  describe('with the embedded Postgres', { concurrency: 1 }, () => {
    const dataDirectory = makeTestDirectory();

    test('it is killed, and comes back by itself, with all that was acknowledged', async () => {
      const db = await startTestDatabase({ migrations, dataDirectory });
      await diesAndComesBack(db, dataDirectory);
      await db.stop();
    });

    lifecycleSuite('embedded database', async () => makeTestDatabase({ dataDirectory }).database);
  });

  describe('with an external Postgres', { concurrency: 1 }, async () => {
    const dataDirectory = makeTestDirectory();
    const postgres = await startTestPostgres(dataDirectory);
    const primary = await postgres.makeDatabase();

    test('it is killed, comes back, and is found again', async () => {
      const db = await startTestDatabase({ migrations, options: { primary } });
      await diesAndComesBack(db, dataDirectory);
      await db.stop();
    });

    test('it does not answer: after some seconds whoever asks is refused at once, until it does', async () => {
      const proxy = await startSocketProxy(postgres.socketDirectory);
      const through = primary.replace(
        encodeURIComponent(postgres.socketDirectory),
        encodeURIComponent(proxy.directory),
      );
      assert.notEqual(through, primary);
      const db = await startTestDatabase({ migrations, options: { primary: through, poolMax: 1 } });
      await sit(db, 21);
      const release = proxy.hold();
      const underWay = sit(db, 22);
      const refused = { code: 'database_unavailable', status: 503, message: 'the database does not answer' };
      // In the line for the only connection: sent away, or, on a machine that is busy, timed out before.
      await assert.rejects(sit(db, 23), { status: 503, retryable: true });
      await eventually('it is found silent', () => db.database.health().status === 'failing');
      await assert.rejects(sit(db, 24), refused);
      release();
      await underWay;
      await eventually('it answers again', () => db.database.health().status === 'ok');
      await sit(db, 25);
      const seats = await db.admin.rows(sql`select seat from shop.seats where seat > 20 order by seat`);
      assert.deepEqual(seats, [{ seat: 21 }, { seat: 22 }, { seat: 25 }]);
      await db.stop();
      await proxy.close();
    });

    test('a stop lets work in hand finish, and refuses whoever waits', async () => {
      const db = await startTestDatabase({ migrations, options: { primary, poolMax: 1 } });
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const { promise: written, resolve: write } = Promise.withResolvers<number>();
      const inHand = db.database.transact(placement, { signal }, async (tx) => {
        write(await tx.run(sql`insert into shop.seats values (5)`));
        await released;
      });
      await written;
      const waiting = sit(db, 6);
      const stopping = db.database.stop(signal);
      await assert.rejects(waiting, { code: 'stopped' });
      release();
      await Promise.all([inHand, stopping]);
      const seats = await db.admin.rows(sql`select seat from shop.seats where seat in (5, 6)`);
      assert.deepEqual(seats, [{ seat: 5 }]);
    });

    test('past the deadline of a stop, work in hand is cut off', async () => {
      const db = await startTestDatabase({ migrations, options: { primary } });
      const { promise: written, resolve: write } = Promise.withResolvers<number>();
      const inHand = db.database.transact(placement, { signal }, async (tx) => {
        write(await tx.run(sql`insert into shop.seats values (7)`));
        await tx.run(sql`select pg_sleep(30) as cut_off`);
      });
      const stopped = assert.rejects(inHand, { code: 'database_unavailable' });
      await written;
      await db.database.stop(AbortSignal.timeout(100));
      await stopped;
      await eventually('Postgres has ended it', async () => {
        const query = sql`select from pg_stat_activity where query like '%cut_off%' and pid <> pg_backend_pid()`;
        return (await postgres.admin.first(query)) === undefined;
      });
    });
  });
});
