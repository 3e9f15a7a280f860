import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { atEnd, scratchDirectory } from '../embedded.fixture.ts';
import {
  findPostmaster,
  parsePostmasterFile,
  postmasterFileOf,
  postmasterFileVersion,
} from './postmaster-file.ts';
import { identifyProcess, isAlive, postgresProcessesIn, worksIn } from './process-identity.ts';

const LINUX_ONLY = process.platform === 'linux' ? false : 'only /proc tells';
const textOf = (pid: number, status = 'ready   ') =>
  `${pid}\n/data/postgres\n1795322362\n5432\n/tmp/sockets\n\n  2163932        19\n${status}\n`;

test('it is read line by line; one that is not finished has no status yet', () => {
  assert.deepEqual(parsePostmasterFile(textOf(4821)), {
    pid: 4821,
    socketDirectory: '/tmp/sockets',
    status: 'ready',
  });
  assert.equal(parsePostmasterFile(textOf(4821, 'stopping'))?.status, 'stopping');
  assert.deepEqual(parsePostmasterFile('4821\n'), { pid: 4821, socketDirectory: '', status: 'unknown' });
  // A standalone backend writes its pid negative; nobody can connect to it.
  for (const text of ['', '\n', 'x', '-5\n', '0\n']) assert.equal(parsePostmasterFile(text), undefined);
});

test('none, dead, live and reused', { skip: LINUX_ONLY }, async (t) => {
  const directory = scratchDirectory(t);
  assert.equal(findPostmaster(directory).kind, 'none');

  const child: ChildProcess = spawn('sleep', ['600'], { cwd: directory, stdio: 'ignore' });
  const exited = once(child, 'exit');
  atEnd(t, () => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  writeFileSync(postmasterFileOf(directory), textOf(pid));
  const found = findPostmaster(directory);
  assert(found.kind === 'live' && found.identity.pid === pid && found.file.status === 'ready');
  assert.equal(worksIn(pid, directory), true);
  assert.deepEqual(postgresProcessesIn(directory), [], 'sleep is not Postgres');

  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(postmasterFileOf(elsewhere), textOf(pid));
  assert.deepEqual(findPostmaster(elsewhere), { kind: 'reused', pid });

  const identity = identifyProcess(pid);
  assert(identity && isAlive(identity));
  assert(!isAlive({ ...identity, started: 'another boot/1' }));
  child.kill('SIGKILL');
  await exited;
  assert.equal(findPostmaster(directory).kind, 'dead');
  assert(!isAlive(identity));
});

test('a file written anew is another one, even with the same text', (t) => {
  const directory = scratchDirectory(t);
  assert.equal(postmasterFileVersion(directory), undefined);
  writeFileSync(postmasterFileOf(directory), textOf(19));
  const before = postmasterFileVersion(directory);
  assert.equal(postmasterFileVersion(directory), before);
  writeFileSync(postmasterFileOf(directory), textOf(19));
  assert.notEqual(postmasterFileVersion(directory), before);
});
