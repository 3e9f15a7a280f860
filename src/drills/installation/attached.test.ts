/**
 * What a drill may be pointed at: what was started for drills, and runs. What it does there is in drill.test.ts of the
 * command.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { lockDirectory } from '#blocks/postgres';
import { missingOf } from './attached.ts';
import { findTestInstallation, leaveMark } from './test-installation.ts';

test('an installation is held against what a scenario needs', () => {
  const offer = { processes: 2, standbys: 0 };
  assert.equal(missingOf({ processes: 2, standbys: 0 }, offer), undefined);
  assert.match(missingOf({ processes: 3, standbys: 0 }, offer) ?? '', /3 processes that serve, and finds 2/);
  assert.match(missingOf({ processes: 1, standbys: 1 }, offer) ?? '', /a standby/);
  assert.match(missingOf({ own: 'a small disk' }, offer) ?? '', /^a small disk, which it has only without/);
});

describe('a directory is no test installation', () => {
  let data: string;
  const refused = (why: RegExp) =>
    assert.throws(
      () => findTestInstallation(data),
      (error: Error & { code?: string }) => error.code === 'drill_refused' && why.test(error.message),
    );
  const mark = { origin: 'http://127.0.0.1:1', faults: 'faults.json', systems: ['links'], ages: {} };

  beforeEach(() => {
    data = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-attached-')));
  });
  afterEach(() => rmSync(data, { recursive: true, force: true }));

  test('when it is not there, or no server runs in it, whatever mark an earlier one has left', () => {
    leaveMark(data, mark);
    refused(/no server runs in/);
    rmSync(data, { recursive: true });
    refused(/does not exist/);
  });

  test('when its server has left no mark, or one that cannot be read', () => {
    const lock = lockDirectory(data);
    refused(new RegExp(`pid ${process.pid}, was not started for drills`));
    writeFileSync(join(data, 'started-for-drills.json'), '{"pid": 1');
    refused(/cannot be understood/);
    lock.release();
  });

  test('when the mark is there, and the process was not given LOADSTONE_FAULTS', () => {
    const lock = lockDirectory(data);
    const unmark = leaveMark(data, mark);
    refused(/was not started for drills/);
    unmark();
    assert.deepEqual(readdirSync(data), ['server.lock']);
    lock.release();
  });

  test('when the mark is that of another process than the one that runs there', async () => {
    const other = spawn('sleep', ['60'], { env: { PATH: process.env.PATH, LOADSTONE_FAULTS: 'x' } });
    const lock = lockDirectory(data);
    writeFileSync(
      join(data, 'started-for-drills.json'),
      JSON.stringify({ pid: other.pid, ...mark, faults: '/nowhere' }),
    );
    refused(/was not started for drills/);
    lock.release();
    other.kill('SIGKILL');
    await once(other, 'exit');
  });
});
