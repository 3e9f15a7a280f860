import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { createManualClock, type ManualClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { createLog, silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { eventually } from '#base/testing/eventually.fixture';
import { type Queryable, sql } from '#blocks/database';
import {
  makeTestDatabase,
  makeTestDirectory,
  startTestDatabase,
  type TestDatabase,
} from '#fixtures/database';
import { diagnoseHolders, remedyOf } from './diagnose-holders.ts';
import { describeHolder, readHolders, type XminHolder } from './holders.ts';
import { doctorMigrations } from './migrations.ts';
import { type XminWatchOptions, xminWatchOptions } from './options.ts';
import { openSession, openStandby, type Session } from './session.fixture.ts';
import { createXminWatch, type XminWatch } from './xmin-watch.ts';

const never = () => new AbortController().signal;

interface Line {
  level: string;
  msg: string;
  holder?: { application?: string; query?: string };
  heldMs?: number;
}

interface Watched {
  watch: XminWatch;
  clock: ManualClock;
  metrics: Metrics;
  lines: Line[];
  /** Waits for the next look. The first one comes by itself. */
  lookAgain(): Promise<void>;
}

function makeWatch(core: Queryable, given: Partial<XminWatchOptions> = {}): Watched {
  const options = parseOptions(xminWatchOptions, given);
  const clock = createManualClock();
  const metrics = createMetrics();
  const lines: Line[] = [];
  const log = createLog(
    { level: 'info', service: 'test' },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  const watch = createXminWatch(options, { clock, log, metrics, core });
  return {
    watch,
    clock,
    metrics,
    lines,
    async lookAgain() {
      await eventually('the first look', () => watch.look().atMs !== undefined);
      const lastMs = watch.look().atMs;
      clock.advance(options.everyMs);
      await eventually('a look', () => watch.look().atMs !== lastMs);
    },
  };
}

async function gauge(metrics: Metrics, name: string): Promise<number | undefined> {
  const metric = await metrics.registry.getSingleMetric(name)?.get();
  return metric?.values[0]?.value;
}

describe('the xmin watch', () => {
  let it: TestDatabase;
  const sessions: Session[] = [];

  /** Autovacuum's own snapshots would be seen now and then; and prepared transactions need a setting and a restart. */
  before(async () => {
    const dataDirectory = makeTestDirectory();
    const first = await startTestDatabase({ dataDirectory });
    for (const setting of ['autovacuum', 'max_prepared_transactions'] as const) {
      await first.admin.run(
        setting === 'autovacuum'
          ? sql`alter system set autovacuum = off`
          : sql`alter system set max_prepared_transactions = 5`,
      );
    }
    await first.stop();
    it = await startTestDatabase({ dataDirectory, migrations: [doctorMigrations] });
    await it.admin.run(sql`create role other_login login`);
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close();
    await untilNobodyHolds();
  });
  after(() => it.stop());

  async function open(settings: Parameters<typeof openSession>[1] = {}): Promise<Session> {
    const session = await openSession(it.url, settings);
    sessions.push(session);
    return session;
  }

  async function openSnapshot(settings: Parameters<typeof openSession>[1] = {}): Promise<Session> {
    const session = await open({ application_name: 'reports', ...settings });
    await session.send('begin isolation level repeatable read');
    await session.send("select 'a   report',\n 1");
    return session;
  }

  async function beginTransactions(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await it.admin.run(sql`select pg_current_xact_id()`);
  }

  const read = (queryLengthMax = 200) => readHolders(it.database.core, queryLengthMax);

  /** A session that was closed is gone from Postgres's view only a moment later. */
  const untilNobodyHolds = () => eventually('nobody holds', async () => (await read()).length === 0);

  lifecycleSuite('xmin watch', async () => makeWatch(it.database.core).watch);

  test('an open snapshot of another session is named, with all that is known of it', async () => {
    await openSnapshot();
    await beginTransactions(5);
    const [holder] = await read();
    assert(holder?.kind === 'session');
    const { pid, ageMs = -1, ageTransactions, since, xid, ...rest } = holder;
    assert(pid > 0 && ageMs >= 0 && ageTransactions >= 5 && since instanceof Date && Number(xid) > 0);
    assert.deepEqual(rest, {
      kind: 'session',
      holds: 'rows',
      isWriting: false,
      user: 'loadstone_super',
      database: 'loadstone',
      application: 'reports',
      client: undefined,
      process: 'client backend',
      state: 'idle in transaction',
      query: "select 'a   report', 1",
      isVisible: true,
    });
    assert.equal(
      describeHolder(holder),
      `session ${pid} (user loadstone_super, application reports, idle in transaction)`,
    );
    assert.equal(await readQuery(8), "select '");
    assert.equal(await readQuery(0), '');
  });

  async function readQuery(lengthMax: number): Promise<string | undefined> {
    const [holder] = await read(lengthMax);
    return holder?.kind === 'session' ? holder.query : undefined;
  }

  test('a transaction that has written is named before those that only see it, however old they are', async () => {
    const reader = await open({ application_name: 'reader' });
    await reader.send('begin');
    const writer = await open({ application_name: 'writer' });
    await writer.send('begin');
    await writer.send('select pg_current_xact_id()');
    await reader.send('declare held cursor for select 1');
    await openSnapshot();
    const holders = await read();
    const names = holders.map((holder) => (holder.kind === 'session' ? holder.application : ''));
    assert.deepEqual(names, ['writer', 'reader', 'reports']);
    assert.deepEqual(
      holders.map(({ isWriting }) => isWriting),
      [true, false, false],
    );
    assert.equal(new Set(holders.map(({ xid }) => xid)).size, 1);
  });

  test('a session of another database holds shared catalogs only, and is not warned of', async () => {
    await openSnapshot({ database: 'postgres' });
    const { watch, metrics } = makeWatch(it.database.core, { warnAgeMs: 0 });
    await watch.start(never());
    await eventually('the first look', () => watch.look().atMs !== undefined);
    assert.equal(watch.look().holders[0]?.holds, 'shared_catalogs');
    assert.equal(watch.look().isOverLimit, false);
    assert.equal(watch.look().findings[0]?.severity, 'ok');
    assert.equal(await gauge(metrics, 'loadstone_xmin_age_transactions'), 0);
    await watch.stop(never());
  });

  test('it says once that vacuum is held back, again at growing spaces, and once that it is over', async () => {
    const given = { warnAgeMs: 0, everyMs: 30_000, repeatMsMin: 60_000, repeatMsMax: 120_000 };
    const { watch, lines, lookAgain } = makeWatch(it.database.core, given);
    await watch.start(never());
    await eventually('the first look', () => watch.look().atMs !== undefined);
    assert.equal(lines.length, 0);
    const session = await openSnapshot();
    await lookAgain();
    assert.equal(lines.length, 1);
    assert.match(
      lines[0]?.msg ?? '',
      /^session \d+ \(user loadstone_super, application reports, idle in transaction\) holds back/,
    );
    assert.equal(lines[0]?.holder?.query, "select 'a   report', 1");
    const counts: number[] = [];
    for (let i = 0; i < 10; i++) {
      await lookAgain();
      counts.push(lines.length);
    }
    assert.deepEqual(counts, [1, 2, 2, 2, 2, 3, 3, 3, 3, 4]);
    assert.equal(lines[1]?.heldMs, 60_000);
    assert.deepEqual(watch.health(), { status: 'ok' });
    await session.close();
    await untilNobodyHolds();
    await lookAgain();
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn', 'warn', 'warn', 'warn', 'info'],
    );
    assert.equal(lines.at(-1)?.msg, 'vacuum is no longer held back');
    await lookAgain();
    assert.equal(lines.length, 5);
    await watch.stop(never());
  });

  test('the age in transactions has a limit of its own; metrics and look tell both', async () => {
    const { watch, metrics, lookAgain } = makeWatch(it.database.core, { warnAgeTransactions: 20 });
    await watch.start(never());
    await openSnapshot();
    await lookAgain();
    assert.equal(watch.look().isOverLimit, false);
    await beginTransactions(20);
    await lookAgain();
    assert.equal(watch.look().isOverLimit, true);
    const [finding] = watch.look().findings;
    assert.equal(finding?.severity, 'warning');
    assert.match(finding?.what ?? '', /and 2\d transactions; its query: select/);
    assert.equal(await gauge(metrics, 'loadstone_xmin_over_limit'), 1);
    assert(((await gauge(metrics, 'loadstone_xmin_age_transactions')) ?? 0) >= 20);
    assert(((await gauge(metrics, 'loadstone_xmin_age_seconds')) ?? 0) > 0);
    await watch.stop(never());
  });

  test('a prepared transaction is named, and the remedy given ends it', async () => {
    const session = await open();
    await session.send('begin');
    await session.send('select pg_current_xact_id()');
    await session.send("prepare transaction 'it''s left'");
    const [holder] = await read();
    assert(holder?.kind === 'prepared_transaction');
    assert.deepEqual([holder.gid, holder.user, holder.holds], ["it's left", 'loadstone_super', 'rows']);
    assert((holder.ageMs ?? -1) >= 0);
    assert.equal(holder.rollback, "rollback prepared 'it''s left'");
    await session.send(holder.rollback);
    assert.deepEqual(await read(), []);
  });

  test('a standby that reports its snapshots is named, with and without a replication slot', async () => {
    const [snapshot] = await it.admin.rows<{ xid: string }>(
      sql`select pg_snapshot_xmin(pg_current_snapshot())::text as xid`,
    );
    const xid = snapshot?.xid ?? '';
    const direct = await openStandby(it.url, xid);
    sessions.push(direct);
    const standby = await eventually('the feedback', async () => (await read())[0]);
    assert.deepEqual([standby.kind, standby.holds, standby.xid], ['standby', 'rows', xid]);
    assert.match(
      describeHolder(standby),
      /^a standby, by its hot_standby_feedback .*application standby one/,
    );
    await direct.close();
    await untilNobodyHolds();

    await it.admin.run(sql`select pg_create_physical_replication_slot('second', true)`);
    const through = await openStandby(it.url, xid, 'second');
    sessions.push(through);
    const used = await eventually('the feedback', async () => (await read())[0]);
    assert.equal(describeHolder(used), 'the physical replication slot second');
    await through.close();
    const left = await eventually('the slot to be left', async () => {
      const [holder] = await read();
      return holder?.kind === 'replication_slot' && !holder.isActive && holder;
    });
    assert.match(
      remedyOf(left),
      /^bring back its consumer, or drop it: select pg_drop_replication_slot\('second'\)/,
    );
    assert((left.ageMs ?? -1) >= 0);
    const beyond = diagnoseHolders([left], { warnAgeMs: 0, warnAgeTransactions: 1_000_000 });
    assert.match(beyond[0]?.what ?? '', /^the physical replication slot second \(not in use\) holds back/);
    await it.admin.run(sql`select pg_drop_replication_slot('second')`);
  });

  test('a running vacuum holds nothing back', async () => {
    await it.admin.run(sql`create table swept as select i from generate_series(1, 20000) i`);
    const session = await open({ application_name: 'sweeper' });
    await session.send('set vacuum_cost_delay = 100');
    await session.send('set vacuum_cost_limit = 1');
    const vacuum = assert.rejects(session.send('vacuum swept'), /terminating/);
    const running = await eventually('the vacuum', () =>
      it.admin.first<{ pid: number }>(sql`
        select pid from pg_stat_activity
        join pg_stat_progress_vacuum using (pid) where backend_xmin is not null`),
    );
    assert.deepEqual(await read(), []);
    await it.admin.run(sql`select pg_terminate_backend(${running.pid})`);
    await vacuum;
  });

  test('without the right to see others it starts, names who it is, and measures by its own clock', async () => {
    await it.admin.run(sql`revoke pg_read_all_stats from loadstone_system`);
    await it.admin.run(sql`create role poor login createrole`);
    await it.admin.run(sql`grant loadstone_owner, loadstone_app, loadstone_system to poor with set true`);
    await it.admin.run(sql`create database poors owner poor strategy file_copy`);
    const primary = it.url.replace('loadstone_super@/loadstone', 'poor@/poors');
    const poor = makeTestDatabase({ options: { primary }, migrations: [doctorMigrations] });
    await poor.database.start(never());

    const session = await openSnapshot({ user: 'other_login', database: 'poors' });
    await beginTransactions(2);
    const { watch, lookAgain } = makeWatch(poor.database.core, { everyMs: 10_000 });
    await watch.start(never());
    await lookAgain();
    const holderOf = (): XminHolder | undefined => watch.look().holders[0];
    assert(holderOf()?.kind === 'session');
    assert.equal(watch.look().isOverLimit, false);
    for (let i = 0; i < 7; i++) await lookAgain();
    const [finding] = watch.look().findings;
    assert.match(
      finding?.what ?? '',
      /^another session \(details not visible\): process \d+, user other_login, application reports holds back vacuum for \d+ s and/,
    );
    assert.doesNotMatch(finding?.what ?? '', /privilege|query/);
    assert.equal(watch.look().isOverLimit, true);
    await watch.stop(never());
    await session.close();
    await poor.stop();
    await it.admin.run(sql`grant pg_read_all_stats to loadstone_system`);
  });

  test('while the database is away it keeps what it saw, counts, and says so once', async () => {
    const away = makeTestDatabase();
    const { watch, clock, lines, metrics } = makeWatch(away.database.core);
    await watch.start(never());
    const failures = () => gauge(metrics, 'loadstone_xmin_look_failures_total');
    await eventually('three failures', async () => {
      clock.advance(5000);
      return ((await failures()) ?? 0) >= 3;
    });
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['what holds back vacuum could not be seen'],
    );
    assert.deepEqual(watch.health(), { status: 'ok' });
    assert.deepEqual(watch.look().holders, []);
    await watch.stop(never());
  });

  test('a stop waits for nothing that its deadline has cut off, and nothing is asked after it', async () => {
    const asked: string[] = [];
    const hangs: Queryable = {
      rows: async () => {
        asked.push('rows');
        return new Promise(() => {});
      },
      first: async () => undefined,
      run: async () => 0,
    };
    const clock = createManualClock();
    const options = parseOptions(xminWatchOptions, {});
    const watch = createXminWatch(options, { clock, log: silentLog, metrics: createMetrics(), core: hangs });
    await watch.start(never());
    await watch.stop(AbortSignal.abort(new Error('no time left')));
    clock.advance(60_000);
    assert.deepEqual(asked, ['rows']);
  });
});
