/**
 * A promotion whose owner is killed on the way, and what the next start makes of it.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { faultCatalogue } from '#base/faults';
import { eventually } from '#base/testing/eventually.fixture';
import { readDatabaseFile } from '../directory/database-file.ts';
import { query, type Scope, scratchDirectory, serveElsewhere } from '../embedded.fixture.ts';
import { socketIn } from '../joined.ts';
import { databaseStatus } from '../status.ts';
import { promote } from './standby.fixture.ts';

/** In the order in which they are passed. */
export const PROMOTION_FAULTS: readonly string[] = [...faultCatalogue().keys()].filter((name) =>
  name.startsWith('database.promotion_'),
);

async function eventuallyStreams(data: string): Promise<void> {
  await eventually(
    'the standby follows',
    async () => (await databaseStatus(data)).standbys[0]?.state === 'streaming',
  );
}

/**
 * Starts an owner, asks for a promotion, has the owner killed at `fault`, and starts another.
 * Fails unless that one finishes the promotion, with every row that had been acknowledged.
 */
export async function crashAt(t: Scope, directory: string, fault: string, isForced: boolean): Promise<void> {
  const data = dirname(directory);
  const faults = join(scratchDirectory(t), 'faults.json');
  writeFileSync(faults, JSON.stringify({ points: { [fault]: { action: 'crash' } } }));
  const owner = serveElsewhere(t, { directory, standbys: 1 }, { faults });
  await eventuallyStreams(data);
  const before = readDatabaseFile(data);
  const address = socketIn(join(data, before.primary));
  assert(address);
  await query(address, 'create table if not exists crashes (fault text, term int)');
  await query(address, `insert into crashes values ('${fault}', ${before.term})`);
  const [counted] = await query(address, 'select count(*)::int as rows from crashes');

  const asked = promote(data, { isForced });
  await eventually('the owner is dead', () => owner.child.signalCode === 'SIGKILL');
  assert.equal((await asked).kind, 'pending');

  const next = serveElsewhere(t, { directory, standbys: 1 });
  await eventually('the promotion is finished', () => readDatabaseFile(data).promotion?.state === 'done');
  const after = readDatabaseFile(data);
  assert.deepEqual(
    [after.term, after.primary, after.standbys, after.promotion?.lostBytes],
    [before.term + 1, before.standbys[0], [before.primary], 0],
    `${fault}, forced: ${isForced}`,
  );
  const promoted = socketIn(join(data, after.primary));
  assert(promoted);
  await query(promoted, `insert into crashes values ('after', ${after.term})`);
  const [found] = await query(promoted, 'select count(*)::int as rows from crashes');
  assert.equal(Number(found?.rows), Number(counted?.rows) + 1);
  await eventuallyStreams(data);
  next.child.stdin?.end();
  for (let told = await next.next(); told.event !== 'stopped'; told = await next.next());
}
