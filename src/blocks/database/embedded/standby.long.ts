/**
 * What takes a standby longer: to be made anew after it has fallen too far behind, and to follow another primary.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readDatabaseFile } from './database-file.ts';
import { eventuallySo, isGone, never, query, scratchDirectory, startedAt } from './embedded.fixture.ts';
import { postgresProcessesIn } from './process-identity.ts';
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
  await eventuallySo('the primary has given it up', async () => {
    return (await query(it.address, 'select 1 from pg_stat_replication')).length === 0;
  });
  await eventuallySo('its slot is lost', async () => {
    await query(it.address, `select pg_logical_emit_message(false, '', 'x'), pg_switch_wal()`);
    await query(it.address, 'checkpoint');
    const slots = await query(it.address, `select 1 from pg_replication_slots where wal_status = 'lost'`);
    return slots.length === 1 || statSync(standby, { throwIfNoEntry: false })?.ino !== ino;
  });
  await eventuallySo('it is another one', () => existsSync(standby) && statSync(standby).ino !== ino);
  await eventuallyStreaming(it);
  await it.stop(never());
  assertNothingLeft(data);
});

test('two standbys: one is promoted, and the other and the old primary follow it', async (t) => {
  const it = await startedAt(t, directory, { standbys: 2 });
  await eventuallyStreaming(it, 2);
  await createKept(it);
  await query(it.address, 'insert into kept select generate_series(0, 99)');
  await promote(data, { standby: 'postgres-standby-2', isForced: true });
  await eventuallySo('it has taken over', () => it.health().status === 'ok' && it.term > 1);
  await query(it.address, 'insert into kept select generate_series(100, 199)');
  await eventuallyStreaming(it, 2);
  for (const address of it.standbys()) {
    await eventuallySo('it has all', async () => {
      const [found] = await query(address, 'select count(*)::int as rows from kept');
      return found?.rows === 200;
    });
  }
  await promote(data, { standby: 'postgres' });
  await eventuallySo('the first is back', () => it.health().status === 'ok' && it.term > 2);
  await assertKept(it, 200);
  await it.stop(never());
  assertNothingLeft(data);
});

test('a standby that hangs is killed and follows again, and does not hold up the primary', async (t) => {
  const it = await startedAt(t, directory, { standbys: 1 });
  await eventuallyStreaming(it);
  const { primary, standbys } = readDatabaseFile(data);
  const hanging = join(data, standbys[0] ?? primary);
  const pids = postgresProcessesIn(hanging);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await eventuallySo('it is given up', () => pids.every(isGone), 60_000);
  await eventuallyStreaming(it);
  await it.stop(never());
  assertNothingLeft(data);
});
