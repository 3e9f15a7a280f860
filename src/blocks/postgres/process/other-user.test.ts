/**
 * Root without user namespaces, and ordinary users: Postgres as somebody whom the machine lets run it.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isLoadstoneError } from '#base/errors';
import {
  giveTo,
  IS_ROOT,
  NOBODY,
  never,
  postgresAt,
  query,
  scratchDirectory,
  startedAt,
} from '../embedded.fixture.ts';
import { locateInstallation } from './installation.ts';
import { namespaceUid, otherAccounts } from './launch.ts';
import { createOtherUserSite } from './other-user.ts';
import { postgresProcessesIn } from './process-identity.ts';

const ROOT_ONLY = IS_ROOT ? false : 'only root can run Postgres as another user';

function uidOf(pid: number): number {
  const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(uid);
}

test('without user namespaces root runs Postgres as nobody, with data where nobody can reach it', {
  skip: ROOT_ONLY,
}, async (t) => {
  const scratch = scratchDirectory(t);
  const data = join(scratch, 'data');
  const elsewhere = join(scratchDirectory(t), 'elsewhere');
  chmodSync(join(elsewhere, '..'), 0o755);
  const lines: string[] = [];
  const options = { rootStrategy: 'other-user', otherUserDirectory: elsewhere } as const;
  const first = await startedAt(t, join(data, 'postgres'), options, (line) => lines.push(line));
  assert.equal(statSync(data).mode & 0o777, 0o700);
  assert.equal(uidOf(first.pid() ?? 0), NOBODY.uid);
  const [place = ''] = readdirSync(elsewhere).filter((name) => name.startsWith('data-'));
  const cluster = join(elsewhere, place, 'postgres');
  assert.equal(
    lines[0],
    `Postgres cannot run as root and runs as nobody (uid 65534); its data is in ${cluster}`,
  );
  await query(first.address, 'create table kept as select 42 as answer');
  await first.stop(never());
  assert.deepEqual(postgresProcessesIn(cluster), []);

  const second = await startedAt(t, join(data, 'postgres'), { ...options, rootStrategy: 'auto' });
  assert.equal(uidOf(second.pid() ?? 0), NOBODY.uid, 'it stays with whom it belongs to');
  assert.deepEqual(await query(second.address, 'select answer from kept'), [{ answer: 42 }]);
  await second.stop(never());

  rmSync(data, { recursive: true });
  mkdirSync(data, { mode: 0o700 });
  const third = await startedAt(t, join(data, 'postgres'), options);
  await assert.rejects(query(third.address, 'select answer from kept'), /does not exist/);
});

test('programs that the other user cannot reach are copied, whole, to where only root may change them', {
  skip: ROOT_ONLY,
}, async (t) => {
  const scratch = scratchDirectory(t);
  const hidden = join(scratch, 'package', 'native');
  cpSync(locateInstallation().native, hidden, { recursive: true, verbatimSymlinks: true });
  const elsewhere = join(scratchDirectory(t), 'elsewhere');
  chmodSync(join(elsewhere, '..'), 0o755);
  const site = await createOtherUserSite(
    join(scratch, 'postgres'),
    { ...locateInstallation(), native: hidden },
    { otherUserDirectory: elsewhere, ties: [true], owner: undefined, isComplete: true },
    { signal: never(), report: () => {}, randomName: () => 'random', onPrivateDirectory: () => {} },
  );
  const place = `postgres-${site.installation.version}`;
  assert.equal(site.installation.native, join(elsewhere, place, 'native'));
  assert.deepEqual(readdirSync(elsewhere).toSorted(), ['data-random', place]);
  assert(lstatSync(join(site.installation.native, 'lib', 'libicuuc.so.60')).isSymbolicLink());
  assert.equal(statSync(site.installation.native).uid, 0);
  assert.equal(statSync(elsewhere).mode & 0o022, 0);
});

test('a directory for other users that others may write is refused', { skip: ROOT_ONLY }, async (t) => {
  const elsewhere = scratchDirectory(t);
  chmodSync(elsewhere, 0o777);
  const it = postgresAt(join(scratchDirectory(t), 'data', 'postgres'), {
    rootStrategy: 'other-user',
    otherUserDirectory: elsewhere,
  });
  await assert.rejects(it.start(never()), { code: 'data_unwritable', message: /must belong to root/ });
});

test('data of an ordinary user stays theirs when root starts the server', { skip: ROOT_ONLY }, async (t) => {
  const scratch = scratchDirectory(t);
  const directory = join(scratch, 'postgres');
  mkdirSync(directory, { mode: 0o700 });
  giveTo(directory, NOBODY);
  giveTo(scratch, NOBODY);
  const it = await startedAt(t, directory);
  assert.equal(uidOf(it.pid() ?? 0), NOBODY.uid);
  assert.equal(statSync(join(directory, 'PG_VERSION')).uid, NOBODY.uid);
});

test('root keeps its own files in a user namespace', { skip: ROOT_ONLY }, async (t) => {
  if (process.platform !== 'linux') return t.skip('user namespaces are Linux');
  const directory = join(scratchDirectory(t), 'postgres');
  const it = postgresAt(directory, { rootStrategy: 'user-namespace' });
  try {
    await it.start(never());
  } catch (error) {
    if (isLoadstoneError(error) && error.code === 'postgres_missing') return t.skip('not allowed here');
    throw error;
  }
  assert.equal(statSync(join(directory, 'PG_VERSION')).uid, 0);
  assert.equal(uidOf(it.pid() ?? 0), 0, 'as seen from outside');
  await it.stop(never());
});

test('accounts: names for initdb, none of them root, and 65534 last', () => {
  const accounts = otherAccounts(
    'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n\nbroken\ndaemon:x:1:1::/:/bin/false\n',
  );
  assert.deepEqual(
    accounts.map(({ name }) => name),
    ['nobody', 'daemon'],
  );
  assert.equal(namespaceUid(accounts), 1);
  assert.equal(namespaceUid(accounts.slice(0, 1)), 65534);
  assert.equal(namespaceUid([]), undefined);
});
