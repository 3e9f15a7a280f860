import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { eventually } from '#base/testing/eventually.fixture';
import {
  IS_ROOT,
  isGone,
  never,
  postgresAt,
  query,
  scratchDirectory,
  startedAt,
  statesOf,
} from './embedded.fixture.ts';
import { postgresProcessesIn } from './process/process-identity.ts';

/** Made once, because a first start is what takes time here; each test leaves it without a server. */
const shared = join(scratchDirectory({ after: (run) => after(run) }), 'data', 'postgres');

lifecycleSuite('embedded Postgres', async () => postgresAt(shared));

test('data written before a stop is there after the next start, and nothing else is left behind', async (t) => {
  const first = await startedAt(t, shared);
  const { host } = first.address;
  assert.equal(statSync(host).mode & 0o777, 0o700);
  await query(first.address, 'create table kept as select 42 as answer');
  await first.stop(never());
  assert.deepEqual(postgresProcessesIn(shared), []);
  assert.deepEqual(readdirSync(dirname(shared)), ['postgres']);
  assert.throws(() => statSync(host), { code: 'ENOENT' });

  const second = await startedAt(t, shared);
  assert.deepEqual(await query(second.address, 'select answer from kept'), [{ answer: 42 }]);
});

test('settings: no port, durable, UTC, code point order, words of other scripts; and one overridden', async (t) => {
  const it = await startedAt(t, shared, { settings: { work_mem: '12MB' } });
  const [settings] = await query(
    it.address,
    `select current_setting('listen_addresses') as listen, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as commit, current_setting('data_checksums') as checksums,
      current_setting('TimeZone') as zone, current_setting('work_mem') as work_mem,
      (select datlocprovider::text || ' ' || datlocale from pg_database where datname = 'loadstone') as locale,
      to_tsvector('simple', '日本語、“quoted”—dash')::text as words`,
  );
  assert.deepEqual(settings, {
    listen: '',
    fsync: 'on',
    commit: 'on',
    checksums: 'on',
    zone: 'UTC',
    work_mem: '12MB',
    locale: 'b C.UTF-8',
    words: "'dash':3 'quoted':2 '日本語':1",
  });
});

test('it is in a session of its own, where the terminal’s SIGINT does not reach it', async (t) => {
  if (process.platform !== 'linux') return t.skip('only /proc tells');
  const it = await startedAt(t, shared);
  const stat = readFileSync(`/proc/${it.pid()}/stat`, 'utf8');
  const [, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  assert.deepEqual([Number(group), Number(session)], [it.pid(), it.pid()]);
});

test('a killed postmaster is replaced, at the same address and with what was committed', async (t) => {
  const it = await startedAt(t, shared);
  const states = statesOf(it);
  const { address } = it;
  const pid = it.pid() ?? 0;
  await query(address, 'create table before_kill as select 42 as answer');
  process.kill(pid, 'SIGKILL');
  await eventually('it is known to be down', () => states.length > 0);
  assert.equal(states[0]?.kind, 'down');
  assert.deepEqual(it.health(), { status: 'failing', reason: 'Postgres was ended by SIGKILL' });
  await eventually('it is up again', () => it.health().status === 'ok');
  assert.deepEqual(
    states.map(({ kind }) => kind),
    ['down', 'starting', 'ready'],
  );
  assert.notEqual(it.pid(), pid);
  assert.deepEqual(it.address, address);
  assert.deepEqual(await query(address, 'select answer from before_kill'), [{ answer: 42 }]);
});

test('a killed backend: down while Postgres recovers, with the same postmaster', async (t) => {
  const it = await startedAt(t, shared);
  const pid = it.pid();
  const states = statesOf(it);
  await assert.rejects(
    query(it.address, `copy (select 1) to program 'kill -9 $PPID'`),
    /terminated|server process|closed/i,
  );
  await eventually('it is up again', () => states.some(({ kind }) => kind === 'ready'));
  assert.deepEqual(
    states.map(({ kind }) => kind),
    ['down', 'ready'],
  );
  assert.equal(it.pid(), pid);
  await query(it.address, 'select 1');
});

test('a Postgres that somebody shut down is started again', async (t) => {
  const it = await startedAt(t, shared);
  const pid = it.pid() ?? 0;
  process.kill(pid, 'SIGINT');
  await eventually('it is another one', () => it.pid() !== pid && it.health().status === 'ok');
  await query(it.address, 'select 1');
});

test('stop while it is being restarted leaves no process', async (t) => {
  const it = await startedAt(t, shared);
  process.kill(it.pid() ?? 0, 'SIGKILL');
  await eventually('it is down', () => it.health().status === 'failing');
  await it.stop(never());
  assert.deepEqual(postgresProcessesIn(shared), []);
});

test('stop ends statements that run, and a passed deadline does not wait for a checkpoint', async (t) => {
  const it = await startedAt(t, shared);
  const pid = it.pid() ?? 0;
  const running = query(it.address, 'select pg_sleep(600)');
  const ended = assert.rejects(running, /terminat|ECONNRESET/i);
  const active = `select 1 from pg_stat_activity where query like '%sleep(600)' and state = 'active'`;
  while ((await query(it.address, active)).length === 0);
  await it.stop(AbortSignal.abort());
  await ended;
  assert(isGone(pid));
  assert.deepEqual(postgresProcessesIn(shared), []);
});

test('a pid that was given to another process since does not keep Postgres from starting', async (t) => {
  const it = await startedAt(t, shared);
  const file = join(shared, 'postmaster.pid');
  const text = readFileSync(file, 'utf8');
  await it.stop(never());
  writeFileSync(file, text.replace(/^\d+/, String(process.pid)));
  const again = await startedAt(t, shared);
  await query(again.address, 'select 1');
});

test('a long path with spaces and quotes', async (t) => {
  const scratch = scratchDirectory(t);
  const directory = join(scratch, `it's a long "path" — ${'x'.repeat(120)}`, 'y'.repeat(120), 'postgres');
  const it = await startedAt(t, directory);
  assert(Buffer.byteLength(join(it.address.host, '.s.PGSQL.5432')) <= 103);
  assert.deepEqual(await query(it.address, 'select 1 as one'), [{ one: 1 }]);
});

test('another major version is refused, and both are named', async (t) => {
  const directory = join(scratchDirectory(t), 'postgres');
  mkdirSync(directory);
  writeFileSync(join(directory, 'PG_VERSION'), '15\n');
  await assert.rejects(postgresAt(directory).start(never()), {
    code: 'postgres_version_wrong',
    message: /written by Postgres 15, and this server has Postgres 18; .*logical copy/,
  });
  assert.deepEqual(readdirSync(dirname(directory)), ['postgres']);
});

test('a directory that holds something else is refused and left alone', async (t) => {
  const directory = join(scratchDirectory(t), 'postgres');
  mkdirSync(directory);
  writeFileSync(join(directory, 'thesis.txt'), 'words');
  await assert.rejects(postgresAt(directory).start(never()), { code: 'data_foreign', message: /not empty/ });
  assert.deepEqual(readdirSync(directory), ['thesis.txt']);
});

test('a data directory below a file, and one without write permission, are refused', async (t) => {
  const scratch = scratchDirectory(t);
  writeFileSync(join(scratch, 'file'), '');
  await assert.rejects(postgresAt(join(scratch, 'file', 'data', 'postgres')).start(never()), {
    code: 'data_unwritable',
  });
  if (IS_ROOT) return t.diagnostic('root may write anywhere: the second half needs an ordinary user');
  mkdirSync(join(scratch, 'sealed'), { mode: 0o500 });
  await assert.rejects(postgresAt(join(scratch, 'sealed', 'postgres')).start(never()), {
    code: 'data_unwritable',
    message: new RegExp(`${basename(scratch)}/sealed cannot be written`),
  });
});

test('a Postgres that cannot start says why, and its server gives the directory back', async (t) => {
  const it = postgresAt(shared, { settings: { shared_buffers: 'many' } });
  await assert.rejects(it.start(never()), {
    code: 'postgres_start_failed',
    message: /ended with code 1; it said: .*invalid value for parameter "shared_buffers": "many"/,
  });
  await (await startedAt(t, shared)).stop(never());
});

test('a start that takes too long is given up, and leaves no process', async () => {
  const it = postgresAt(shared, { startTimeoutMs: 1 });
  await assert.rejects(it.start(never()), { code: 'postgres_start_timeout' });
  assert.deepEqual(postgresProcessesIn(shared), []);
  assert.deepEqual(readdirSync(dirname(shared)), ['postgres']);
});
