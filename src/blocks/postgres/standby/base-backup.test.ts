import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { IS_ROOT, NOBODY, never, query, scratchDirectory, startedAt } from '../embedded.fixture.ts';
import type { EmbeddedPostgres } from '../embedded.ts';
import { syncTree, takeBaseBackup } from './base-backup.ts';

/** Made once, because a first start is what takes time here; each test leaves it without a server. */
const shared = join(scratchDirectory({ after: (run) => after(run) }), 'data', 'postgres');

/** Rows one after another, and tables that come and go, until told to stop. Gives how many rows were acknowledged. */
function writeTo({ address }: EmbeddedPostgres) {
  let acknowledged = 0;
  let stopping = false;
  async function insert(): Promise<void> {
    while (!stopping) {
      await query(address, `insert into kept values (${acknowledged}, repeat('x', 500))`);
      acknowledged++;
    }
  }
  async function churn(): Promise<void> {
    while (!stopping) {
      await query(address, 'create table passing as select generate_series(1, 1000) as n');
      await query(address, 'drop table passing');
    }
  }
  const work = Promise.all([insert(), churn()]);
  return {
    acknowledged: () => acknowledged,
    async stop() {
      stopping = true;
      await work;
    },
  };
}

test('a Postgres on a copy made under load has all that was acknowledged before the copy ended', async (t) => {
  const source = await startedAt(t, shared);
  await query(source.address, 'create table kept (n int primary key, filling text)');
  const load = writeTo(source);
  await eventually('rows are written', () => load.acknowledged() > 20);
  const before = load.acknowledged();
  const target = join(scratchDirectory(t), 'postgres');
  const told = await takeBaseBackup({ address: source.address, dataDirectory: shared }, target, {
    random: systemRandom,
    signal: never(),
  });
  const during = load.acknowledged() - before;
  await load.stop();
  await syncTree(target);
  await source.stop(never());

  assert(during > 0, 'it was written to while it was copied');
  assert.match(told.startLsn, /^[0-9A-F]+\/[0-9A-F]+$/);
  assert.equal(told.timeline, 1);
  assert(told.walFiles.length > 0 && told.bytes > 1 << 20);
  assert.equal(statSync(target).mode & 0o777, 0o700);
  assert(!existsSync(join(target, 'postmaster.pid')));

  const copy = await startedAt(t, target);
  const [found] = await query(
    copy.address,
    `select count(*)::int as rows, coalesce(max(n), -1) + 1 as next, (select count(*)::int from pg_replication_slots) as slots,
      pg_is_in_recovery() as standby from kept`,
  );
  assert(Number(found?.rows) >= before, `${found?.rows} rows of ${before}`);
  assert.deepEqual(found, { rows: found?.rows, next: found?.rows, slots: 0, standby: false });
  assert.deepEqual(
    await query(copy.address, `select count(*)::int as rows from kept where filling = repeat('x', 500)`),
    [{ rows: found?.rows }],
  );
});

test('a backup that is given up ends at once, and leaves neither a slot nor a backup under way', async (t) => {
  const source = await startedAt(t, shared);
  const controller = new AbortController();
  const target = join(scratchDirectory(t), 'postgres');
  const reason = new Error('changed our mind');
  const ended = assert.rejects(
    takeBaseBackup({ address: source.address, dataDirectory: shared }, target, {
      random: systemRandom,
      signal: controller.signal,
    }),
    reason,
  );
  await eventually('it copies', () => existsSync(target));
  controller.abort(reason);
  await ended;
  await eventually('the slot is gone', async () => {
    const slots = await query(source.address, 'select 1 from pg_replication_slots');
    return slots.length === 0;
  });
});

test('what lies outside of the directory is refused', async (t) => {
  const source = await startedAt(t, shared, { settings: { allow_in_place_tablespaces: 'on' } });
  await query(source.address, `create tablespace elsewhere location ''`);
  const target = join(scratchDirectory(t), 'postgres');
  await assert.rejects(
    takeBaseBackup({ address: source.address, dataDirectory: shared }, target, {
      random: systemRandom,
      signal: never(),
    }),
    { code: 'backup_refused', message: /tablespaces of its own \(elsewhere\)/ },
  );
  assert(!existsSync(target));
  await query(source.address, 'drop tablespace elsewhere');
  await source.stop(never());
});

test('a copy where something is already is refused, and what is there stays', async (t) => {
  const source = await startedAt(t, shared);
  const target = join(scratchDirectory(t), 'postgres');
  mkdirSync(target);
  writeFileSync(join(target, 'thesis.txt'), 'words');
  await assert.rejects(
    takeBaseBackup({ address: source.address, dataDirectory: shared }, target, {
      random: systemRandom,
      signal: never(),
    }),
    { code: 'data_unwritable' },
  );
  assert(existsSync(join(target, 'thesis.txt')));
});

test('a copy belongs to whom it is made for', {
  skip: IS_ROOT ? false : 'only root can give files away',
}, async (t) => {
  const source = await startedAt(t, shared);
  const target = join(scratchDirectory(t), 'postgres');
  await takeBaseBackup({ address: source.address, dataDirectory: shared }, target, {
    random: systemRandom,
    signal: never(),
    owner: NOBODY,
  });
  for (const path of ['.', 'base', 'PG_VERSION', 'global/pg_control', 'pg_wal', 'backup_label']) {
    assert.equal(statSync(join(target, path)).uid, NOBODY.uid, path);
  }
});
