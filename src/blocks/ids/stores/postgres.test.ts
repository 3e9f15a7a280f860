import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createDatabase, type Database, databaseOptions, sql } from '#blocks/database';
import { openCodeSpace } from '../code-space.ts';
import { createIds } from '../ids.ts';
import { idsMigrations } from '../migrations.ts';
import { codeSpaceStoreSuite, workerLeaseStoreSuite } from '../store.suite.ts';
import type { CodeSpaceStore } from '../store.ts';
import { createPostgresCodeSpaces, createPostgresWorkerLeases } from './postgres.ts';

const never = new AbortController().signal;
const dataDirectory = mkdtempSync(join(tmpdir(), 'loadstone-ids-'));
const database: Database = createDatabase(parseOptions(databaseOptions, {}), {
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  metrics: createMetrics(),
  dataDirectory,
  migrations: [idsMigrations],
  report: () => {},
});

before(() => database.start(never));
after(async () => {
  await database.stop(never);
  rmSync(dataDirectory, { recursive: true });
});

async function freshWorkers() {
  await database.core.run(sql`update core.worker_leases set holder = null, epoch = 0, high_ms = 0`);
  return createPostgresWorkerLeases(database.core);
}

let spaces = 0;
/** Rows cannot be deleted by the server, so each test has names of its own. */
async function freshSpaces(): Promise<CodeSpaceStore> {
  const store = createPostgresCodeSpaces(database.core);
  const prefix = `test${spaces++}_`;
  return {
    open: (name, key) => store.open(prefix + name, key),
    lease: (name, count) => store.lease(prefix + name, count),
  };
}

workerLeaseStoreSuite('worker leases in Postgres', freshWorkers);
codeSpaceStoreSuite('code spaces in Postgres', freshSpaces);

async function makeIds() {
  const store = await freshWorkers();
  return createIds({ leaseMs: 30_000 }, { clock: systemClock, random: systemRandom, log: silentLog, store });
}
lifecycleSuite('ids on Postgres', makeIds);

test('a start and a stop leave the worker free at the last millisecond issued', async () => {
  const ids = await makeIds();
  await ids.start(never);
  const held = await database.core.first<{ worker: number; holder: string }>(sql`
    select worker, holder from core.worker_leases where holder is not null`);
  assert.match(held?.holder ?? '', /:\d+:[0-9a-f]{8}$/);
  ids.next(0);
  await ids.stop(never);
  const left = await database.core.first<{ holder: string | null; high_ms: string }>(sql`
    select holder, high_ms from core.worker_leases where worker = ${held!.worker}`);
  assert.equal(left?.holder, null);
  assert(Number(left?.high_ms) <= systemClock.nowMs());
});

test('a thousand codes from four processes at once are all different', async () => {
  const store = await freshSpaces();
  const spaces = Array.from({ length: 4 }, () =>
    openCodeSpace('links', { store, random: systemRandom }, { blockSize: 10 }),
  );
  const codes = await Promise.all(Array.from({ length: 1000 }, (_, i) => spaces[i % 4]!.next()));
  assert.equal(new Set(codes).size, 1000);
});

test('the key of a code space cannot be changed by the server', async () => {
  const change = database.core.run(sql`update core.code_spaces set key = ${new Uint8Array(32)}`);
  await assert.rejects(change, (error: Error) => {
    assert.equal((error.cause as { code?: string }).code, '42501');
    return true;
  });
});
