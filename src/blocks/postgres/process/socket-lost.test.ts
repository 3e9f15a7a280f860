/**
 * What somebody else does to the directory of the socket: a cleaner of temporary files, or a Postgres that was killed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock';
import { type Log, silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { atEnd, never, query, scratchDirectory, statesOf } from '../embedded.fixture.ts';
import { createEmbeddedPostgres } from '../embedded.ts';
import { socketIn } from '../joined.ts';
import { makeSocketDirectory, socketDirectoryOf } from './socket-directory.ts';

const uid = process.getuid?.() ?? -1;
const gid = process.getgid?.() ?? -1;

test('a lock of the socket that names another process, and a socket that is deleted, do not keep Postgres from being found', async (t) => {
  const directory = join(scratchDirectory(t), 'postgres');
  const other = spawn('sleep', ['60']);
  atEnd(t, () => void other.kill('SIGKILL'));
  const host = socketDirectoryOf(directory, uid);
  makeSocketDirectory(host, { uid, gid });
  writeFileSync(join(host, '.s.PGSQL.5432.lock'), `${other.pid}\n/elsewhere\n1795305600\n5432\n${host}\n`);

  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (...said: unknown[]) => void warnings.push(JSON.stringify(said)) };
  const it = createEmbeddedPostgres(
    { directory, startTimeoutMs: 60_000 },
    { clock: systemClock, random: systemRandom, log },
  );
  atEnd(t, () => it.stop(AbortSignal.abort()));
  await it.start(never());
  assert.equal(it.address.host, host);
  await query(it.address, 'create table kept as select 0 as turn');

  const lose = [
    () => rmSync(host, { recursive: true }),
    () => rmSync(join(host, '.s.PGSQL.5432')),
    () => rmSync(host, { recursive: true }),
  ];
  for (const [index, loseIt] of lose.entries()) {
    const states = statesOf(it);
    const before = it.pid();
    await query(it.address, `insert into kept values (${index + 1})`);
    loseIt();
    await eventually('it is healed', () => states.at(-1)?.kind === 'ready' && states.length > 1);
    assert.deepEqual(
      states.map(({ kind }) => kind),
      ['down', 'starting', 'ready'],
    );
    assert.notEqual(it.pid(), before);
    assert.equal(socketIn(directory)?.host, host, 'commands find it');
    const rows = await query(it.address, 'select count(*)::int as kept from kept');
    assert.deepEqual(rows, [{ kept: index + 2 }]);
  }
  const told = warnings.filter((warning) => warning.includes('something deletes temporary files'));
  assert.equal(told.length, lose.length, warnings.join('\n'));
  await it.stop(never());
  assert(!existsSync(host));
});
