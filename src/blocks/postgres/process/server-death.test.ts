/**
 * What becomes of Postgres when its server dies without a word, and what the next server makes of it.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import {
  type ForeignServer,
  giveTo,
  IS_ROOT,
  isGone,
  NOBODY,
  othersMayRun,
  postgresAt,
  query,
  scratchDirectory,
  serveElsewhere,
  startedAt,
} from '../embedded.fixture.ts';
import { postgresProcessesIn } from './process-identity.ts';

/** Made once, because a first start is what takes time here; each test leaves it without a server. */
const shared = join(scratchDirectory({ after: (run) => after(run) }), 'data', 'postgres');

const LINUX_ONLY =
  process.platform === 'linux' ? false : 'nothing ties a child to its parent on this platform';

async function readyOf(server: ForeignServer) {
  let told = await server.next();
  while (told.event === 'report') told = await server.next();
  assert.equal(told.event, 'ready', JSON.stringify(told));
  return {
    pid: Number(told.pid),
    host: String(told.host),
    port: Number(told.port),
    database: String(told.database),
  };
}

async function killAndStartAgain(
  t: TestContext,
  directory: string,
  as?: { uid: number; gid: number },
): Promise<void> {
  const first = serveElsewhere(t, { directory }, as ? { as } : {});
  const address = await readyOf(first);
  await query(address, 'create table kept as select 42 as answer');
  await first.kill('SIGKILL');
  await eventually('Postgres has ended', () => isGone(address.pid));
  await eventually('no process of Postgres is left', () => postgresProcessesIn(directory).length === 0);

  const second = serveElsewhere(t, { directory }, as ? { as } : {});
  const again = await readyOf(second);
  assert.deepEqual(await query(again, 'select answer from kept'), [{ answer: 42 }]);
  second.child.stdin?.end();
  assert.equal((await second.next()).event, 'stopped');
}

test('a killed server leaves no Postgres, and the next one finds the data', { skip: LINUX_ONLY }, (t) =>
  killAndStartAgain(t, shared),
);

test('the same for an ordinary user', {
  skip:
    LINUX_ONLY ||
    (IS_ROOT
      ? !othersMayRun(NOBODY) && 'another user cannot read this checkout'
      : 'the test above is this one'),
}, (t) => {
  const scratch = scratchDirectory(t);
  giveTo(scratch, NOBODY);
  return killAndStartAgain(t, join(scratch, 'data', 'postgres'), NOBODY);
});

test('a server killed in the middle of its first start leaves nothing half made', {
  skip: LINUX_ONLY,
}, async (t) => {
  const scratch = scratchDirectory(t);
  const directory = join(scratch, 'postgres');
  for (const moment of ['', 'base/1', 'base/5']) {
    const server = serveElsewhere(t, { directory });
    assert.match(String((await server.next()).line), /creating a database/);
    const drafts = () => readdirSync(scratch).filter((name) => name.startsWith('postgres.draft-'));
    await eventually(`initdb is at "${moment}"`, () =>
      drafts().some((draft) => existsSync(join(scratch, draft, moment))),
    );
    await server.kill('SIGKILL');
  }
  const it = await startedAt(t, directory);
  assert.deepEqual(readdirSync(scratch).toSorted(), ['postgres', 'server.lock', 'server.lock.postgres']);
  assert.deepEqual(await query(it.address, 'select current_database() as name'), [{ name: 'loadstone' }]);
});

test('a start right after a kill waits for the earlier Postgres to end', { skip: LINUX_ONLY }, async (t) => {
  const directory = shared;
  const first = serveElsewhere(t, { directory });
  const address = await readyOf(first);
  await query(address, 'create table kept_again as select 42 as answer');
  await first.kill('SIGKILL');
  const it = await startedAt(t, directory);
  assert.notEqual(it.pid(), address.pid);
  assert.deepEqual(await query(it.address, 'select answer from kept_again'), [{ answer: 42 }]);
});

test('a healthy Postgres whose server died is adopted, watched and stopped', async (t) => {
  const directory = shared;
  const first = serveElsewhere(t, { directory, tie: 'never' });
  const address = await readyOf(first);
  await first.kill('SIGKILL');
  assert(!isGone(address.pid), 'untied, it lives on');

  const lines: string[] = [];
  const it = await startedAt(t, directory, { tie: 'never' }, (line) => lines.push(line));
  assert.equal(it.pid(), address.pid);
  assert.equal(it.address.host, address.host);
  assert.match(lines.join(), new RegExp(`using the Postgres .* \\(pid ${address.pid}\\)`));
  await query(it.address, 'select 1');

  process.kill(address.pid, 'SIGKILL');
  await eventually('it is down', () => it.health().status === 'failing');
  await eventually('it is up again', () => it.health().status === 'ok');
  assert.notEqual(it.pid(), address.pid);
  assert.equal(it.address.host, address.host);
  await query(it.address, 'select 1');
});

test('an adopted Postgres is shut down by stop', async (t) => {
  const directory = shared;
  const first = serveElsewhere(t, { directory, tie: 'never' });
  const address = await readyOf(first);
  await first.kill('SIGKILL');
  const it = postgresAt(directory);
  await it.start(new AbortController().signal);
  assert.equal(
    it.pid(),
    address.pid,
    'left alone for a second, it counts as nobody’s although Postgres can be tied',
  );
  await it.stop(new AbortController().signal);
  assert(isGone(address.pid));
  assert.deepEqual(postgresProcessesIn(directory), []);
});

test('a second server on the same data is refused and told the pid of the first', async (t) => {
  const directory = shared;
  const first = serveElsewhere(t, { directory });
  const address = await readyOf(first);
  const second = postgresAt(directory);
  await assert.rejects(second.start(new AbortController().signal), {
    code: 'data_in_use',
    message: new RegExp(`in use by another server \\(pid ${first.child.pid}\\)`),
  });
  await query(address, 'select 1');
});
