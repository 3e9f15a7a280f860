import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { sql } from '#blocks/database';
import { openCodeSpace } from '../code-space.ts';
import { createIds } from '../ids.ts';
import { codeSpaceStoreSuite, workerLeaseStoreSuite } from '../store.suite.ts';
import { startTestPostgres, type TestPostgres } from './postgres.fixture.ts';
import { createPostgresCodeSpaces, createPostgresWorkerLeases } from './postgres.ts';

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

async function freshWorkers() {
  await postgres.admin.run(sql`update core.worker_leases set holder = null, epoch = 0, high_ms = 0`);
  return createPostgresWorkerLeases(postgres.core);
}

async function freshSpaces() {
  await postgres.admin.run(sql`delete from core.code_spaces`);
  return createPostgresCodeSpaces(postgres.core);
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
  await ids.start(AbortSignal.timeout(10_000));
  const held = await postgres.core.first<{ worker: number; holder: string }>(sql`
    select worker, holder from core.worker_leases where holder is not null`);
  assert.match(held?.holder ?? '', /:\d+:[0-9a-f]{8}$/);
  ids.next(0);
  await ids.stop(AbortSignal.timeout(10_000));
  const left = await postgres.core.first<{ holder: string | null; high_ms: string }>(sql`
    select holder, high_ms from core.worker_leases where worker = ${held!.worker}`);
  assert.equal(left?.holder, null);
  assert(Number(left?.high_ms) <= systemClock.nowMs());
});

test('a fourth of a thousand codes from four processes: all different', async () => {
  const store = await freshSpaces();
  const spaces = Array.from({ length: 4 }, () =>
    openCodeSpace('links', { store, random: systemRandom }, { blockSize: 10 }),
  );
  const codes = await Promise.all(Array.from({ length: 1000 }, (_, i) => spaces[i % 4]!.next()));
  assert.equal(new Set(codes).size, 1000);
});

test('the key of a code space cannot be changed by the server', async () => {
  const store = await freshSpaces();
  await store.open('links', new Uint8Array(32));
  const change = postgres.core.run(sql`update core.code_spaces set key = ${new Uint8Array(32)}`);
  await assert.rejects(change, { code: '42501' });
});
