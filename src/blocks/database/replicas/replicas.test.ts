/**
 * Reads over a real primary and real standbys whose replay is held back: where each read goes, and what it sees.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import {
  makeTestDatabase,
  makeTestDirectory,
  startTestDatabase,
  startTestPostgres,
  type TestDatabase,
  type TestPostgres,
} from '../fixture.ts';
import { SUITE_TABLES, shopMigrations } from '../migrate/migrations.fixture.ts';
import type { Consistency, Database } from '../port.ts';
import { sql } from '../sql.ts';
import { caughtUp, startTestStandby, type TestStandby } from './standby.fixture.ts';

const migrations = [shopMigrations({ '0001_tables.sql': SUITE_TABLES })];
const signal = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
const nameIn = (url: string) => /@\/(\w+)\?/.exec(url)?.[1] as string;

/** Writes a seat, and gives the position of the commit. */
async function sit({ database }: Pick<TestDatabase, 'database'>, seat: number): Promise<string | undefined> {
  const told: string[] = [];
  const onCommit = (position: string) => told.push(position);
  await database.transact(placement, { signal, onCommit }, (tx) =>
    tx.run(sql`insert into shop.seats values (${seat})`),
  );
  return told.at(-1);
}

async function sees(
  { database }: { database: Database },
  seat: number,
  consistency: Consistency,
  after?: string,
): Promise<boolean> {
  const reader = database.reader({ consistency, after, signal });
  return (await reader.rows(sql`select seat from shop.seats where seat = ${seat}`)).length === 1;
}

/** How many reads were counted with these labels. */
async function counted({ metrics }: Pick<TestDatabase, 'metrics'>, labels: Record<string, string>) {
  const metric = await metrics.registry.getSingleMetric('loadstone_database_reads_total')?.get();
  const matching = metric?.values.filter((each) =>
    Object.entries(labels).every(([name, value]) => each.labels[name] === value),
  );
  return matching?.reduce((sum, each) => sum + each.value, 0) ?? 0;
}

async function gauge({ metrics }: Pick<TestDatabase, 'metrics'>, name: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get();
  return metric?.values[0]?.value ?? Number.NaN;
}

const healthy = (db: Pick<TestDatabase, 'metrics'>, count: number) =>
  eventually(`${count} healthy replicas`, async () => {
    return (await gauge(db, 'loadstone_database_replicas_healthy')) === count;
  });

describe('replicas', () => {
  const directory = makeTestDirectory();
  let postgres: TestPostgres;
  let primary: string;
  let standby: TestStandby;
  let db: TestDatabase;
  before(async () => {
    postgres = await startTestPostgres(directory);
    primary = await postgres.makeDatabase();
    standby = await startTestStandby(directory);
    const replicas = [standby.urlOf(nameIn(primary))];
    db = await startTestDatabase({ migrations, options: { primary, replicas, replicaLagMsMax: 60_000 } });
    await healthy(db, 1);
  });
  after(async () => {
    await db.stop();
    await standby.stop();
    await postgres.stop();
  });

  test('a read goes where its consistency says', async () => {
    const after = await sit(db, 1);
    assert(after !== undefined);
    await caughtUp(db.admin, standby);
    await healthy(db, 1);
    for (const consistency of ['strong', 'session', 'eventual'] as const) {
      const before = await counted(db, { consistency, reason: 'asked' });
      assert.equal(await sees(db, 1, consistency, after), true);
      const server = consistency === 'strong' ? 'primary' : 'replica';
      assert.equal(await counted(db, { consistency, server, reason: 'asked' }), before + 1);
    }
  });

  test('a replica that has not replayed the write answers an eventual read, and not a session one', async () => {
    await standby.pause();
    const after = await sit(db, 2);
    assert.equal(await sees(db, 2, 'eventual'), false);
    assert.equal(await sees(db, 2, 'session', after), true);
    assert.equal(await sees(db, 2, 'strong'), true);
    assert.equal(await sees(db, 2, 'session'), false, 'a session that has written nothing');
    assert((await counted(db, { consistency: 'session', server: 'primary', reason: 'behind' })) >= 1);
    await standby.resume();
    await eventually('it is found again', async () => {
      const before = await counted(db, { consistency: 'session', server: 'replica' });
      assert.equal(await sees(db, 2, 'session', after), true);
      return (await counted(db, { consistency: 'session', server: 'replica' })) > before;
    });
  });

  test('one that is too far behind gets no reads, and says how far', async () => {
    const replicas = [standby.urlOf(nameIn(primary))];
    const strict = await startTestDatabase({ options: { primary, replicas, replicaLagMsMax: 1000 } });
    await healthy(strict, 1);
    await standby.pause();
    await sit(strict, 3);
    await healthy(strict, 0);
    assert.equal(await sees(strict, 3, 'eventual'), true);
    assert((await gauge(strict, 'loadstone_database_replica_lag_seconds')) > 0.9);
    assert((await gauge(strict, 'loadstone_database_replica_lag_bytes')) > 0);
    assert(
      (await counted(strict, { consistency: 'eventual', server: 'primary', reason: 'none_usable' })) >= 1,
    );
    await standby.resume();
    await healthy(strict, 1);
    await strict.stop();
  });

  test('what is no token, and what another term has written, is read from the primary', async () => {
    const before = await counted(db, { server: 'primary', reason: 'behind' });
    assert.equal(await sees(db, 1, 'session', 'no token'), true);
    const later = Buffer.from('9.1').toString('base64url');
    assert.equal(await sees(db, 1, 'session', later), true);
    assert.equal(await counted(db, { server: 'primary', reason: 'behind' }), before + 2);
    const lost = Buffer.from(`1.${'f'.repeat(15)}`).toString('base64url');
    assert.equal(await sees(db, 1, 'session', lost), true);
  });

  test('a read that a replica fails at is answered by the primary', async () => {
    const before = await counted(db, { reason: 'failed' });
    const reader = db.database.reader({ consistency: 'eventual', signal });
    // Temporary tables cannot be made in recovery.
    await reader.rows(sql`create temporary table only_on_a_primary (id integer)`);
    assert.equal(await counted(db, { reason: 'failed' }), before + 1);
    await standby.admin.run(sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'loadstone loadstone_app'`);
    assert.equal(await sees(db, 1, 'eventual'), true);
    await healthy(db, 1);
  });

  test('one that hangs is ejected, and whoever waits for it is answered by the primary', async () => {
    const ejections = () => gauge(db, 'loadstone_database_replica_ejections_total');
    const before = await ejections();
    await standby.admin.run(sql`select 1`);
    const pids = await standby.admin.rows<{ pid: number }>(sql`
      select pid from pg_stat_activity where application_name = 'loadstone loadstone_system'`);
    assert(pids.length > 0);
    process.kill(standby.pid(), 'SIGSTOP');
    for (const { pid } of pids) process.kill(pid, 'SIGSTOP');
    try {
      const reader = db.database.reader({ consistency: 'eventual', role: 'system', signal });
      assert.deepEqual(await reader.rows(sql`select 1 as one`), [{ one: 1 }]);
      await eventually('it is ejected', async () => (await ejections()) > before);
      assert.deepEqual(db.database.health(), { status: 'ok' });
    } finally {
      for (const { pid } of pids) process.kill(pid, 'SIGCONT');
      process.kill(standby.pid(), 'SIGCONT');
    }
    await healthy(db, 1);
  });

  test('another cluster, a server that is no standby, and one that is away get no reads', async () => {
    const other = await startTestPostgres();
    const foreign = await other.makeDatabase();
    const set = await startTestDatabase({ migrations, options: { primary: foreign } });
    await set.stop();
    const nowhere = `postgres://a@/b?host=${encodeURIComponent(makeTestDirectory())}`;
    const replicas = [foreign, primary, nowhere];
    const wrong = await startTestDatabase({ migrations, options: { primary, replicas } });
    await eventually('all are ejected', async () => {
      return (await gauge(wrong, 'loadstone_database_replica_ejections_total')) >= 3;
    });
    assert.equal(await sees(wrong, 1, 'eventual'), true);
    assert.equal(await counted(wrong, { server: 'replica' }), 0);
    await wrong.stop();
    await other.stop();
  });

  test('a standby is refused as a primary, with a line that says so', async () => {
    const { database } = makeTestDatabase({
      migrations,
      options: { primary: standby.urlOf(nameIn(primary)) },
    });
    await assert.rejects(database.start(signal), {
      code: 'database_unsupported',
      message: /is a standby \(it is in recovery\): name the one that takes writes/,
    });
  });

  test('options that contradict each other are refused', async () => {
    const beside = makeTestDatabase({ options: { replicas: [primary] } });
    await assert.rejects(beside.database.start(signal), {
      message: /database.replicas goes with database.primary/,
    });
    const both = makeTestDatabase({ options: { primary, standbys: 1 } });
    await assert.rejects(both.database.start(signal), { message: /database.standbys are embedded/ });
    const wrong = makeTestDatabase({ options: { primary, replicas: ['postgres://h?sslmode=some'] } });
    await assert.rejects(wrong.database.start(signal), {
      message: /^database.replicas: unknown sslmode some/,
    });
  });
});
