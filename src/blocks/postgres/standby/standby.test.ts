/**
 * Standbys beside a primary that is written to.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { eventually } from '#base/testing/eventually.fixture';
import { readControlFile } from '../directory/control-file.ts';
import {
  never,
  postgresAt,
  query,
  scratchDirectory,
  serveElsewhere,
  startedAt,
} from '../embedded.fixture.ts';
import { createJoinedPostgres } from '../embedded.ts';
import { locateEmbedded } from '../locate.ts';
import { postgresProcessesIn } from '../process/process-identity.ts';
import { databaseStatus } from '../status.ts';
import { assertNothingLeft, createKept, eventuallyStreaming, promote, writeTo } from './standby.fixture.ts';

/** Made once, because a first start is what takes time here; each test leaves it without a server. */
const data = join(scratchDirectory({ after: (run) => after(run) }), 'data');
const directory = join(data, 'postgres');
const standby = join(data, 'postgres-standby-1');

lifecycleSuite('embedded Postgres with a standby', async () => postgresAt(directory, { standbys: 1 }));

test('a standby is made and catches up under load, is restarted when it dies, and holds what the primary holds', async (t) => {
  const it = await startedAt(t, directory, { standbys: 1 });
  await createKept(it);
  const load = writeTo(t, it);
  await eventuallyStreaming(it);
  const [address] = it.standbys();
  assert(address);
  const [before = 0] = postgresProcessesIn(standby);
  process.kill(before, 'SIGKILL');
  await eventually('it is gone', () => !postgresProcessesIn(standby).includes(before));
  await eventuallyStreaming(it);
  assert.equal(it.health().status, 'ok');
  const acknowledged = await load.stop();
  assert(acknowledged > 0);
  await eventually('it has caught up', async () => {
    const [found] = await query(address, 'select count(*)::int as rows from kept');
    return found?.rows === acknowledged;
  });
  await assert.rejects(query(address, 'insert into kept values (-1)'), /read-only/);
  await it.stop(never());
  assertNothingLeft(data);
  const { isShutDown, checkpointLsn } = readControlFile(directory);
  assert(isShutDown);
  assert.match(checkpointLsn, /^[0-9A-F]+\/[0-9A-F]+$/);
});

test('what is in the place of a standby and is none stays, and the primary serves', async (t) => {
  const elsewhere = join(scratchDirectory(t), 'data');
  mkdirSync(join(elsewhere, 'postgres-standby-1'), { recursive: true });
  writeFileSync(join(elsewhere, 'postgres-standby-1', 'thesis.txt'), 'words');
  const it = await startedAt(t, join(elsewhere, 'postgres'), { standbys: 1 });
  const reason = () => {
    const state = it.standbyStates().get('postgres-standby-1');
    return state?.kind === 'failing' ? state.reason : '';
  };
  await eventually('it is refused', () => /is not empty and not a Postgres data directory/.test(reason()));
  assert.equal(it.health().status, 'ok');
  await assert.rejects(promote(elsewhere), {
    code: 'promotion_refused',
    message: /does not follow the primary/,
  });
  assert(existsSync(join(elsewhere, 'postgres-standby-1', 'thesis.txt')));
});

test('without standbys their directories are left alone, and nothing runs in them or is kept for them', async (t) => {
  const before = serveElsewhere(t, { directory, standbys: 1, tie: 'never' });
  await eventually('the standby follows', async () => {
    return (await databaseStatus(data)).standbys[0]?.state === 'streaming';
  });
  // Nothing has told its servers to end.
  await before.kill('SIGKILL');
  const it = await startedAt(t, directory, { tie: 'never' });
  assert(existsSync(join(standby, 'standby.signal')));
  assert.deepEqual(it.standbys(), []);
  await eventually('the slots are dropped', async () => {
    return (await query(it.address, 'select 1 from pg_replication_slots')).length === 0;
  });
  assert.deepEqual(postgresProcessesIn(standby), []);
});

test('who joins where nobody runs Postgres is told so', async () => {
  const joined = createJoinedPostgres({ directory, startTimeoutMs: 0 }, { clock: systemClock });
  await assert.rejects(joined.start(never()), {
    code: 'postgres_not_running',
    message: /^no server runs Postgres in .*: its owner does not run Postgres$/,
  });
});

test('who has joined sees the owner go and come back', async (t) => {
  const first = serveElsewhere(t, { directory, standbys: 1 });
  const joined = createJoinedPostgres({ directory, startTimeoutMs: 60_000 }, { clock: systemClock });
  await joined.start(never());
  t.after(() => joined.stop(never()));
  await eventually('it sees the standby', () => joined.standbys().length === 1);
  assert.match(locateEmbedded(data) ?? '', new RegExp(encodeURIComponent(joined.address.host)));
  let changes = 0;
  joined.onChange(() => changes++);
  await first.kill('SIGKILL');
  await eventually('it sees it go', () => joined.health().status === 'failing');
  await eventually('nothing runs', () => postgresProcessesIn(directory).length === 0);
  rmSync(join(directory, 'postmaster.pid'), { force: true });
  mkdirSync(join(directory, 'postmaster.pid'));
  await eventually('it cannot look', () => /EISDIR/.test(JSON.stringify(joined.health())));
  rmSync(join(directory, 'postmaster.pid'), { recursive: true });
  assert(changes > 0);
  const second = await startedAt(t, directory, { standbys: 1 });
  await eventually('it sees it come back', () => joined.health().status === 'ok');
  assert.deepEqual(joined.address, second.address);
  await eventuallyStreaming(second);
  await joined.stop(never());
  await second.stop(never());
  assertNothingLeft(data);
});
