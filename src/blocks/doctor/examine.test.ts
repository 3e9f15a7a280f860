import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { parseOptions } from '#base/options';
import { eventually } from '#base/testing/eventually.fixture';
import { type Queryable, sql } from '#blocks/database';
import { makeTestDatabase, startTestDatabase, type TestDatabase } from '#fixtures/database';
import { examine } from './examine.ts';
import type { Finding } from './finding.ts';
import { doctorMigrations } from './migrations.ts';
import { xminWatchOptions } from './options.ts';
import { openSession, type Session } from './session.fixture.ts';

const never = () => new AbortController().signal;
const OPTIONS = parseOptions(xminWatchOptions, {});

describe('examine', () => {
  let it: TestDatabase;
  const sessions: Session[] = [];
  before(async () => {
    it = await startTestDatabase({ migrations: [doctorMigrations] });
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close();
  });
  after(() => it.stop());

  async function open(): Promise<Session> {
    const session = await openSession(it.url);
    sessions.push(session);
    return session;
  }

  async function find(id: string, core: Queryable = it.database.core): Promise<Finding | undefined> {
    const findings = await examine(core, OPTIONS, never());
    return findings.find((finding) => finding.id === id);
  }

  test('a new embedded database is well', async () => {
    const findings = await examine(it.database.core, OPTIONS, never());
    assert.deepEqual(
      findings.filter(({ severity }) => severity !== 'ok'),
      [],
    );
    assert.equal(findings.length, 9);
    const disk = findings.find(({ id }) => id === 'disk_use');
    assert.match(
      disk?.what ?? '',
      /MiB in tables and indexes; the largest: pg_catalog\.pg_proc .*(, .*){4}$/,
    );
    const connections = findings.find(({ id }) => id === 'connections');
    assert.match(connections?.what ?? '', /^\d+ of 77 connections are in use$/);
  });

  test('an open snapshot is found', async () => {
    const session = await open();
    await session.send('begin isolation level repeatable read');
    await session.send('select 42 as answer');
    const core = it.database.core;
    const findings = await examine(core, { ...OPTIONS, warnAgeMs: 0 }, never());
    const finding = findings.find(({ id }) => id === 'oldest_snapshot');
    assert.equal(finding?.severity, 'problem');
    const sentence = /^session (\d+) \(.*idle in transaction\) holds back .*its query: select 42 as answer$/;
    const pid = sentence.exec(finding?.what ?? '')?.[1];
    assert(finding?.remedy.includes(`pg_terminate_backend(${pid})`), finding?.what);
  });

  test('a table of dead rows is found, and so is one that autovacuum may not see to', async () => {
    const session = await open();
    await session.send(`
      create table core."Dead ones" (i integer) with (autovacuum_enabled = false);
      insert into core."Dead ones" select generate_series(1, 20000);
      delete from core."Dead ones" where i > 5;
      select pg_stat_force_next_flush();`);
    const dead = await eventually('the statistics', () => find('dead_rows:core."Dead ones"'));
    assert.equal(dead.severity, 'warning');
    assert.equal(dead.what, 'core."Dead ones" has 19,995 dead rows beside 5 live ones; never vacuumed');
    assert.equal((await find('autovacuum_off:core."Dead ones"'))?.severity, 'warning');
    await session.send('vacuum core."Dead ones"');
    await eventually('the vacuum', async () => (await find('dead_rows:core."Dead ones"')) === undefined);
    await session.send('drop table core."Dead ones"');
    assert.equal((await find('dead_rows'))?.severity, 'ok');
  });

  test('settings that are off are found, also those of a login', async () => {
    await it.admin.run(sql`alter system set autovacuum = off`);
    await it.admin.run(sql`alter system set track_activities = off`);
    await it.admin.run(sql`alter role loadstone_super set synchronous_commit = off`);
    await it.admin.run(sql`select pg_reload_conf()`);
    const second = makeTestDatabase({ options: { primary: it.url } });
    await second.database.start(never());
    const wrong = await eventually('the settings', async () => {
      const findings = await examine(second.database.core, OPTIONS, never());
      const found = findings.filter(({ id }) => id.startsWith('settings:'));
      return found.length === 3 && found;
    });
    assert.deepEqual(
      wrong.map(({ id, severity }) => [id, severity]),
      [
        ['settings:synchronous_commit', 'problem'],
        ['settings:autovacuum', 'problem'],
        ['settings:track_activities', 'warning'],
      ],
    );
    await second.stop();
    await it.admin.run(sql`alter role loadstone_super reset synchronous_commit`);
    await it.admin.run(sql`alter system reset track_activities`);
    await it.admin.run(sql`select pg_reload_conf()`);
  });

  // Autovacuum is off since the test before: it would correct what is claimed here.
  test('transaction ids that run out are found', async () => {
    await eventually('autovacuum to end', async () => {
      const running = await it.admin.rows(sql`
        select pid from pg_stat_activity where backend_type like 'autovacuum%'`);
      return running.length === 0;
    });
    const row = await it.admin.first<{ xid: string }>(sql`
      select datfrozenxid::text as xid from pg_database where datname = 'postgres'`);
    const claim = (xid: string) =>
      it.admin.run(sql`update pg_database set datfrozenxid = ${xid}::xid where datname = 'postgres'`);
    await claim(String(2 ** 32 - 600_000_000));
    const finding = await find('id_wraparound');
    await claim(row?.xid ?? '');
    assert.equal(finding?.severity, 'warning');
    assert.match(
      finding?.what ?? '',
      /^600,00\d,\d{3} transaction ids are in use, 28 % of all there are, by database postgres$/,
    );
  });

  test('an invalid index is found, and the remedy given removes it', async () => {
    const session = await open();
    await session.send('create table core.doubles as select 1 as i from generate_series(1, 2)');
    const building = session.send('create unique index concurrently doubles_i on core.doubles (i)');
    await assert.rejects(building, /could not create unique index/);
    const finding = await find('invalid_indexes:core.doubles_i');
    assert.equal(finding?.severity, 'problem');
    assert.match(finding?.what ?? '', /^the unique index core\.doubles_i on core\.doubles is invalid/);
    const remedy = /or (drop index concurrently \S+)/.exec(finding?.remedy ?? '')?.[1] ?? '';
    await session.send(remedy);
    assert.equal((await find('invalid_indexes'))?.severity, 'ok');
    await session.send('drop table core.doubles');
  });

  test('a server whose connections run out is found', async () => {
    for (let i = 0; i < 68; i++) await open();
    const finding = await find('connections');
    assert.notEqual(finding?.severity, 'ok', finding?.what);
  });

  test('a table that somebody has locked for himself does not keep the examination waiting', async () => {
    const session = await open();
    await session.send('begin; lock table core.migrations in access exclusive mode');
    assert.equal((await find('disk_use'))?.severity, 'ok');
  });

  test('what this role may not read is told, with the rest; so is that it may not see sessions', async () => {
    await it.admin.run(sql`revoke select on pg_catalog.pg_prepared_xacts from public`);
    await it.admin.run(sql`revoke pg_read_all_stats from loadstone_system`);
    const holders = await find('oldest_snapshot');
    assert.match(holders?.what ?? '', /^could not be examined: .*permission denied/);
    const sight = await find('session_details');
    assert.equal(sight?.severity, 'warning');
    assert.equal((await find('id_wraparound'))?.severity, 'ok');
    await it.admin.run(sql`grant select on pg_catalog.pg_prepared_xacts to public`);
    await it.admin.run(sql`grant pg_read_all_stats to loadstone_system`);
  });

  test('it ends with its signal, and fails when the database is away', async () => {
    const reason = new Error('changed our mind');
    await assert.rejects(examine(it.database.core, OPTIONS, AbortSignal.abort(reason)), reason);
    const away = makeTestDatabase().database.core;
    await assert.rejects(examine(away, OPTIONS, never()), { code: 'database_unavailable' });
  });
});
