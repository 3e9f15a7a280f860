/**
 * What takes a standby longer: to be made anew after it has fallen too far behind, and to follow another primary.
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { changeDatabaseFile, readDatabaseFile } from '../directory/database-file.ts';
import { IS_ROOT, isGone, NOBODY, never, query, scratchDirectory, startedAt } from '../embedded.fixture.ts';
import { postgresProcessesIn } from '../process/process-identity.ts';
import {
  assertKept,
  assertNothingLeft,
  createKept,
  eventuallyStreaming,
  promote,
} from './standby.fixture.ts';

/** Made once, because a first start is what takes time here; each test leaves it without a server. */
const data = join(scratchDirectory({ after: (run) => after(run) }), 'data');
const directory = join(data, 'postgres');
const standby = join(data, 'postgres-standby-1');

test('a standby whose log the primary has dropped is made anew', async (t) => {
  const settings = { max_slot_wal_keep_size: '32MB', wal_sender_timeout: '4s' };
  const it = await startedAt(t, directory, { standbys: 1, settings });
  await eventuallyStreaming(it);
  const { ino } = statSync(standby);
  const pids = postgresProcessesIn(standby);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await eventually('the primary has given it up', async () => {
    return (await query(it.address, 'select 1 from pg_stat_replication')).length === 0;
  });
  await eventually('its slot is lost', async () => {
    await query(it.address, `select pg_logical_emit_message(false, '', 'x'), pg_switch_wal()`);
    await query(it.address, 'checkpoint');
    const slots = await query(it.address, `select 1 from pg_replication_slots where wal_status = 'lost'`);
    return slots.length === 1 || statSync(standby, { throwIfNoEntry: false })?.ino !== ino;
  });
  await eventually('it is another one', () => existsSync(standby) && statSync(standby).ino !== ino);
  await eventuallyStreaming(it);
  await it.stop(never());
  assertNothingLeft(data);
});

test('two standbys: one is promoted, and the other and the old primary follow it', async (t) => {
  const it = await startedAt(t, directory, { standbys: 2 });
  await eventuallyStreaming(it, 2);
  await createKept(it);
  await query(it.address, 'insert into kept select generate_series(0, 99)');
  // It cannot be asked to end, and nobody waits for it: the new primary takes writes at once.
  for (const pid of postgresProcessesIn(standby)) process.kill(pid, 'SIGSTOP');
  await promote(data, { standby: 'postgres-standby-2', isForced: true });
  await eventually('it has taken over', () => it.health().status === 'ok' && it.term > 1);
  await query(it.address, 'insert into kept select generate_series(100, 199)');
  await eventuallyStreaming(it, 2);
  for (const address of it.standbys()) {
    await eventually('it has all', async () => {
      const [found] = await query(address, 'select count(*)::int as rows from kept');
      return found?.rows === 200;
    });
  }
  await promote(data, { standby: 'postgres' });
  await eventually('the first is back', () => it.health().status === 'ok' && it.term > 2);
  await assertKept(it, 200);
  await it.stop(never());
  assertNothingLeft(data);
});

test('a standby is not promoted in the place of a whole primary that has dropped log which it needs', async (t) => {
  const settings = { max_wal_size: '32MB', min_wal_size: '32MB' };
  const first = await startedAt(t, directory, { standbys: 1, settings });
  await eventuallyStreaming(first);
  await createKept(first);
  await first.stop(never());
  const without = await startedAt(t, directory, { settings });
  for (let row = 0; row < 6; row++) {
    await query(without.address, `insert into kept values (${row})`);
    await query(without.address, 'select pg_switch_wal()');
    await query(without.address, 'checkpoint');
  }
  await without.stop(never());
  const { primary } = readDatabaseFile(data);
  const name = primary === 'postgres' ? 'postgres-standby-1' : 'postgres';
  await changeDatabaseFile(data, { clock: systemClock, random: systemRandom }, (now) => ({
    ...now,
    standbys: [name],
  }));
  assert.equal((await promote(data, { standby: name, isForced: true })).kind, 'pending');
  const it = await startedAt(t, directory, { standbys: 1, settings });
  const { promotion } = readDatabaseFile(data);
  assert.equal(promotion?.state, 'refused');
  assert.match(promotion?.reason ?? '', /has dropped log that it needs/);
  assert.equal(readDatabaseFile(data).primary, primary);
  await assertKept(it, 6);
  await eventuallyStreaming(it);
  await it.stop(never());
});

test('a standby that hangs is killed and follows again, and does not hold up the primary', async (t) => {
  const it = await startedAt(t, directory, { standbys: 1 });
  await eventuallyStreaming(it);
  const { primary, standbys } = readDatabaseFile(data);
  const hanging = join(data, standbys[0] ?? primary);
  const pids = postgresProcessesIn(hanging);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await eventually('it is given up', () => pids.every(isGone));
  await eventuallyStreaming(it);
  await it.stop(never());
  assertNothingLeft(data);
});

test('a standby runs as the same user as the primary, beside it, and takes over', {
  skip: IS_ROOT ? false : 'only root can run programs as others',
}, async (t) => {
  const own = join(scratchDirectory(t), 'data');
  const elsewhere = join(scratchDirectory(t), 'elsewhere');
  chmodSync(join(elsewhere, '..'), 0o755);
  const it = await startedAt(t, join(own, 'postgres'), {
    rootStrategy: 'other-user',
    otherUserDirectory: elsewhere,
    standbys: 1,
  });
  await eventuallyStreaming(it);
  assert(lstatSync(join(own, 'postgres-standby-1')).isSymbolicLink());
  assert.equal(statSync(join(own, 'postgres-standby-1', 'PG_VERSION')).uid, NOBODY.uid);
  await promote(own, { isForced: true });
  await eventually('it has taken over', () => it.term === 2 && it.health().status === 'ok');
  assert.equal(statSync(`/proc/${it.pid()}`).uid, NOBODY.uid);
  await query(it.address, 'create table kept as select 42 as answer');
  await eventuallyStreaming(it);
});
