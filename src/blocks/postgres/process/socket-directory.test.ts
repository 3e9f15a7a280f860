import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { IS_ROOT, scratchDirectory } from '../embedded.fixture.ts';
import { ownAccount } from './launch.ts';
import { makeSocketDirectory, removeSocketDirectory, socketDirectoryOf } from './socket-directory.ts';

const account = ownAccount();

test('short whatever the data path, the same for the same data, another for other data or users', () => {
  const deep = `/data/${'long and spaced/'.repeat(40)}`;
  const directory = socketDirectoryOf(deep, 0, '/tmp');
  assert.match(directory, /^\/tmp\/loadstone-0-[0-9a-f]{12}$/);
  assert.equal(socketDirectoryOf(deep, 0, '/tmp'), directory);
  assert.notEqual(socketDirectoryOf(`${deep}/x`, 0, '/tmp'), directory);
  assert.notEqual(socketDirectoryOf(deep, 1000, '/tmp'), directory);
  assert.match(socketDirectoryOf(deep, 0, `/${'x'.repeat(100)}`), /^\/tmp\/loadstone-0-/);
});

test('made private, used again, and removed with what is in it', (t) => {
  const directory = join(scratchDirectory(t), 'sockets');
  makeSocketDirectory(directory, account);
  assert.equal(statSync(directory).mode & 0o7777, 0o700);
  makeSocketDirectory(directory, account);
  writeFileSync(join(directory, 'left over'), '');
  removeSocketDirectory(directory);
  assert(!existsSync(directory));
  removeSocketDirectory(directory);
});

test('one that is not private, not a directory or not ours is refused', (t) => {
  const scratch = scratchDirectory(t);
  const refused = (path: string, message: RegExp) =>
    assert.throws(() => makeSocketDirectory(path, account), { code: 'postgres_socket_unsafe', message });

  mkdirSync(join(scratch, 'open'), { mode: 0o755 });
  refused(join(scratch, 'open'), /has mode 0755, not 0700/);
  mkdirSync(join(scratch, 'target'), { mode: 0o700 });
  symlinkSync(join(scratch, 'target'), join(scratch, 'link'));
  refused(join(scratch, 'link'), /is not a directory/);
  writeFileSync(join(scratch, 'file'), '');
  refused(join(scratch, 'file'), /is not a directory/);
  refused(join(scratch, 'missing', 'deep'), /missing/);

  mkdirSync(join(scratch, 'shared'));
  chmodSync(join(scratch, 'shared'), 0o777);
  refused(join(scratch, 'shared', 'sockets'), /not sticky/);
  chmodSync(join(scratch, 'shared'), 0o1777);
  makeSocketDirectory(join(scratch, 'shared', 'sockets'), account);

  if (!IS_ROOT) return t.diagnostic('only root can make a directory of another user');
  makeSocketDirectory(join(scratch, 'theirs'), { uid: 65534, gid: 65534 });
  refused(join(scratch, 'theirs'), /belongs to uid 65534, not 0/);
});
