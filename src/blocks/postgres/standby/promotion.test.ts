/**
 * Promotions, asked for as the command asks for them, under load.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import { readDatabaseFile } from '../directory/database-file.ts';
import { isGone, never, query, type Scope, scratchDirectory, startedAt } from '../embedded.fixture.ts';
import { createJoinedPostgres } from '../embedded.ts';
import { postgresProcessesIn } from '../process/process-identity.ts';
import {
  assertKept,
  assertNothingLeft,
  createKept,
  eventuallyStreaming,
  promote,
  writeTo,
} from './standby.fixture.ts';

/** Made once, because a first start is what takes time here; each test goes on with what the one before has left. */
const data = join(scratchDirectory({ after: (run) => after(run) }), 'data');
const directory = join(data, 'postgres');

async function startedWithStandby(t: Scope) {
  const it = await startedAt(t, directory, { standbys: 1 });
  await eventuallyStreaming(it);
  await createKept(it);
  return it;
}

test('a planned promotion under load loses nothing, the old primary follows, and the way back works too', async (t) => {
  const it = await startedWithStandby(t);
  const joined = createJoinedPostgres({ directory, startTimeoutMs: 30_000 }, { clock: systemClock });
  await joined.start(never());
  t.after(() => joined.stop(never()));
  assert.deepEqual(joined.address, it.address);
  const first = it.address;
  const load = writeTo(t, it);
  await eventually('rows are written', () => load.acknowledged() > 20);

  const outcome = await promote(data);
  assert.deepEqual(outcome, {
    kind: 'done',
    from: 'postgres',
    primary: 'postgres-standby-1',
    term: outcome.term,
    lostBytes: 0,
  });
  await eventually(
    'its owner has switched over',
    () => it.term === outcome.term && it.health().status === 'ok',
  );
  await eventually(
    'who has joined has too',
    () => joined.term === outcome.term && joined.health().status === 'ok',
  );
  assert.notDeepEqual(it.address, first);
  assert.deepEqual(joined.address, it.address);
  await eventuallyStreaming(it);
  await eventually('the old one is a standby', () => joined.standbys()[0]?.host === first.host);
  assert.deepEqual(await query(first, 'select pg_is_in_recovery() as standby'), [{ standby: true }]);

  const back = await promote(data, { standby: 'postgres' });
  assert.equal(back.lostBytes, 0);
  assert.equal(back.term, outcome.term + 1);
  await eventually('it is where it was', () => it.address.host === first.host && it.health().status === 'ok');
  await eventuallyStreaming(it);
  await assertKept(it, await load.stop());
  await joined.stop(never());
  await it.stop(never());
  assertNothingLeft(data);
});

test('a primary that hangs is killed, what it had acknowledged is kept, and it takes no writes afterwards', async (t) => {
  const it = await startedWithStandby(t);
  const old = it.address;
  const load = writeTo(t, it);
  await eventually('rows are written', () => load.acknowledged() > 20);
  // Its own processes first: what they do for clients ends, and nobody is told.
  const pids = postgresProcessesIn(directory);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  const { lostBytes } = await promote(data, { isForced: true });
  assert.equal(lostBytes, 0);
  await eventually('nothing is left that could go on', () => pids.every(isGone));
  await eventually('the standby has taken over', () => it.address.host !== old.host);
  await query(it.address, 'insert into kept values (-1)');
  await assert.rejects(query(old, 'insert into kept values (-2)'));
  await eventuallyStreaming(it);
  await assert.rejects(query(old, 'insert into kept values (-2)'), /read-only/);
  await assertKept(it, await load.stop());
  await it.stop(never());
  assertNothingLeft(data);
});

test('a killed primary whose standby lagged behind: the log on its disk is replayed first', async (t) => {
  const it = await startedWithStandby(t);
  const { primary, standbys } = readDatabaseFile(data);
  const [name = 'postgres'] = standbys;
  const receivers = await query(it.standbys()[0] ?? it.address, 'select pid from pg_stat_wal_receiver');
  process.kill(Number(receivers[0]?.pid), 'SIGSTOP');
  await query(it.address, 'insert into kept select generate_series(0, 999)');
  const { lostBytes } = await promote(data, { isForced: true });
  assert.equal(lostBytes, 0);
  await eventually('the standby has taken over', () => it.health().status === 'ok' && it.term > 1);
  assert.equal(readDatabaseFile(data).primary, name);
  assert.notEqual(primary, name);
  await assertKept(it, 1000);
  await eventuallyStreaming(it);
  await it.stop(never());
});

test('what cannot be promoted is refused, and the primary goes on', async (t) => {
  const it = await startedWithStandby(t);
  const { primary, standbys, term } = readDatabaseFile(data);
  const refused = (why: RegExp) => ({ code: 'promotion_refused', message: why });
  await assert.rejects(promote(data, { standby: primary }), refused(/is the primary already, in term \d+/));
  await assert.rejects(promote(data, { standby: 'postgres-standby-2' }), refused(/is no standby; known is/));
  const [name = 'postgres'] = standbys;
  process.kill(Number(postgresProcessesIn(join(data, name))[0]), 'SIGKILL');
  await eventually('it is down', () => it.standbys().length === 0);
  const asked = promote(data).then(
    () => 'done',
    (error) => String(error.message),
  );
  assert.match(await asked, /done|does not follow the primary/);
  assert(readDatabaseFile(data).term >= term);
  await eventually('the primary answers', async () => (await query(it.address, 'select 1')).length === 1);
  await it.stop(never());

  const without = await startedAt(t, directory);
  await assert.rejects(promote(data), refused(/has no standby; database.standbys gives it one/));
  await eventually('no log is kept for the standby', async () => {
    const slots = await query(without.address, 'select slot_name from pg_replication_slots');
    return slots.length === 0;
  });
});
