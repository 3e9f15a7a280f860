/**
 * Promotions and what is rarely found beside them: a directory that is gone, a file from before.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readDatabaseFile } from '../directory/database-file.ts';
import { never, postgresAt, query, type Scope, scratchDirectory, startedAt } from '../embedded.fixture.ts';
import { isFenced, isStandby } from './fence.ts';
import {
  assertKept,
  assertNothingLeft,
  createKept,
  eventuallyStreaming,
  promote,
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

test('an older database.json does not bring a fenced primary back', async (t) => {
  const it = await startedWithStandby(t);
  const before = readFileSync(join(data, 'database.json'), 'utf8');
  const { from } = await promote(data);
  const older = async () => {
    const now = readFileSync(join(data, 'database.json'), 'utf8');
    writeFileSync(join(data, 'database.json'), before);
    await assert.rejects(postgresAt(directory, { standbys: 1 }).start(never()), {
      code: 'postgres_fenced',
      message: /(was the primary until a standby was promoted|is a standby).*put the newer one back/,
    });
    writeFileSync(join(data, 'database.json'), now);
  };
  assert(isFenced(join(data, from)) || isStandby(join(data, from)));
  await it.stop(never());
  await older();
  const again = await startedAt(t, directory, { standbys: 1 });
  await eventuallyStreaming(again);
  await again.stop(never());
  assert(isStandby(join(data, from)));
  await older();
  assertNothingLeft(data);
});

test('a primary whose directory is gone: nothing is made in its place, and the standby is promoted by the next start', async (t) => {
  const it = await startedWithStandby(t);
  await query(it.address, 'insert into kept select generate_series(0, 99)');
  await it.stop(never());
  const { primary } = readDatabaseFile(data);
  rmSync(join(data, primary), { recursive: true });
  await assert.rejects(postgresAt(directory, { standbys: 1 }).start(never()), {
    code: 'primary_missing',
    message: /is gone, but postgres.* beside it is there/,
  });
  assert(!existsSync(join(data, primary)));
  assert.equal((await promote(data, { isForced: true })).kind, 'pending');
  const again = await startedAt(t, directory, { standbys: 1 });
  assert.equal(readDatabaseFile(data).promotion?.lostBytes, null, 'nobody can tell');
  await assertKept(again, 100);
  await eventuallyStreaming(again);
  await again.stop(never());
  assertNothingLeft(data);
});
