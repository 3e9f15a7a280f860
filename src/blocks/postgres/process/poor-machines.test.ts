/**
 * Machines that lack something, and what a power cut leaves: each gets over it, or says in a sentence what to do.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { IS_ROOT, query, scratchDirectory, serveElsewhere, startedAt } from '../embedded.fixture.ts';
import { toProgramError } from '../errors.ts';
import { sharedMemorySettings } from '../settings.ts';
import { fileSystemOf } from './file-systems.ts';

// What is hidden by a small /dev/shm must not be in it.
process.env.TMPDIR = '/tmp';
const scratch = scratchDirectory({ after: (run) => after(run) });

const SMALL_SHM = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"',
  'sh',
];
const POWERLESS = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all', '--no-new-privs'];

const mayRun = ([file = '', ...args]: string[]) => IS_ROOT && spawnSync(file, [...args, 'true']).status === 0;

test('64 kB of shared memory are enough, and an empty postmaster.pid after a power cut is cleared', {
  skip: !mayRun(SMALL_SHM) && 'no file system can be mounted here',
}, async (t) => {
  const directory = join(scratch, 'small', 'postgres');
  const server = serveElsewhere(t, { directory }, { through: SMALL_SHM });
  let told = await server.next();
  while (told.event === 'report') told = await server.next();
  assert.equal(told.event, 'ready', JSON.stringify(told));
  server.child.stdin?.end();
  assert.equal((await server.next()).event, 'stopped');

  writeFileSync(join(directory, 'postmaster.pid'), '');
  const it = await startedAt(t, directory);
  assert.deepEqual(await query(it.address, 'select 1 as one'), [{ one: 1 }]);
});

test('shared memory that runs out later is not taken for a full disk', () => {
  const said = [
    '1 53100 FATAL:  could not resize shared memory segment "/PostgreSQL.7" to 1048576 bytes: No space left on device',
  ];
  const error = toProgramError('Postgres', 'ended with code 1', '/data', said);
  assert.match(error.message, /\/dev\/shm\) is full; give it more/);
  assert.deepEqual(
    sharedMemorySettings('/nonexistent'),
    process.platform === 'linux' ? { dynamic_shared_memory_type: 'sysv' } : {},
  );
});

test('root without capabilities is told what to do, before anything is copied', {
  skip: !mayRun(POWERLESS) && 'capabilities cannot be given away here',
}, async (t) => {
  const otherUserDirectory = join(scratch, 'others');
  const options = { directory: join(scratch, 'powerless', 'postgres'), otherUserDirectory };
  const told = await serveElsewhere(t, options, { through: POWERLESS }).next();
  // A kernel may let it make user namespaces even so: then it starts.
  if (told.event === 'report') return t.skip('this root may make user namespaces without capabilities');
  assert.equal(told.code, 'postgres_missing', JSON.stringify(told));
  assert.match(
    String(told.detail),
    /lacks the capabilities SETUID and SETGID\); run the server as an ordinary user/,
  );
});

test('network file systems are known by name', () => {
  assert.equal(fileSystemOf(0x6969), 'nfs');
  assert.equal(fileSystemOf(0xff534d42), 'cifs');
  assert.equal(fileSystemOf(0xef53), undefined, 'ext4');
  assert.equal(fileSystemOf(0x01021994), undefined, 'tmpfs');
});
