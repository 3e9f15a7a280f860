/**
 * Promotions that fail half way, or that nobody was there to carry out.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '#base/clock';
import { armFaults } from '#base/faults';
import { createLog, silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { changeDatabaseFile, readDatabaseFile } from '../directory/database-file.ts';
import { atEnd, never, query, scratchDirectory } from '../embedded.fixture.ts';
import { createEmbeddedPostgres } from '../embedded.ts';
import {
  assertKept,
  assertNothingLeft,
  createKept,
  eventuallyStreaming,
  promote,
} from './standby.fixture.ts';

const deps = { clock: systemClock, random: systemRandom };

test('what was asked for while no server ran gives way to what is asked for later, until it is decided', async (t) => {
  const data = scratchDirectory(t);
  await changeDatabaseFile(data, deps, (now) => ({ ...now, standbys: ['postgres-standby-1'] }));
  assert.equal((await promote(data)).kind, 'pending');
  assert.equal((await promote(data, { isForced: true })).kind, 'pending');
  const { promotion } = readDatabaseFile(data);
  assert.deepEqual([promotion?.isForced, promotion?.state], [true, 'asked']);
  await changeDatabaseFile(data, deps, (now) => ({
    ...now,
    ...(now.promotion ? { promotion: { ...now.promotion, state: 'decided' } } : {}),
  }));
  await assert.rejects(promote(data), {
    code: 'promotion_refused',
    message: /under way already \(decided\)/,
  });
});

test('a promotion that fails half way is refused or tried again, and everything is watched over once', async (t) => {
  const scratch = scratchDirectory({ after: (run) => after(run) });
  const data = join(scratch, 'data');
  const faults = join(scratch, 'faults.json');
  const fault = { action: 'error', times: 2 };
  writeFileSync(faults, JSON.stringify({ points: { 'database.promotion_seized': fault } }));
  const armed = armFaults(faults, { clock: systemClock, log: silentLog, crash() {} });
  atEnd(t, () => armed.disarm());
  const lines: string[] = [];
  const log = createLog({ level: 'error', service: 'test' }, { write: (line) => void lines.push(line) });
  const said = (what: RegExp) => lines.filter((line) => what.test(line)).length;
  const it = createEmbeddedPostgres(
    { directory: join(data, 'postgres'), startTimeoutMs: 60_000, standbys: 1 },
    { ...deps, log },
  );
  atEnd(t, () => it.stop(AbortSignal.abort()));
  await it.start(never());
  await eventuallyStreaming(it);
  await createKept(it);
  await query(it.address, 'insert into kept select generate_series(0, 99)');
  // The old primary has shut down by then, and what is in its way now keeps it from being started again.
  writeFileSync(join(data, 'postgres', 'fenced'), '{}');
  await assert.rejects(promote(data), { code: 'promotion_refused' });
  assert.equal(said(/fault point database.promotion_seized/), 1);
  await eventually('the primary cannot be started', () => said(/was the primary until/) > 0);
  assert.equal(it.health().status, 'failing');
  rmSync(join(data, 'postgres', 'fenced'));
  await eventually('it is tried again', () => it.health().status === 'ok');
  await eventuallyStreaming(it);

  lines.length = 0;
  assert.equal((await promote(data, { isForced: true })).lostBytes, 0);
  assert.equal(said(/fault point database.promotion_seized/), 1);
  await eventually('it is the primary', () => it.health().status === 'ok' && it.term === 2);
  await assertKept(it, 100);
  await eventuallyStreaming(it);
  assert.equal(said(/Postgres is down and will be restarted/), 0, lines.join(''));
  await it.stop(never());
  assertNothingLeft(data);
});
