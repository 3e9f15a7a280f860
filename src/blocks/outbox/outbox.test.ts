import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import type { StreamEvent } from '#blocks/stream';
import type { TestDatabase } from '#fixtures/database';
import {
  createTestIds,
  type PipelineOptions,
  type PipelineProcess,
  startPipelineDatabase,
  startProcess,
} from './pipeline.fixture.ts';

const LEASE_MS = 5000;
const signal = new AbortController().signal;
const place = { workspaceId: '1', bucket: 0 };
const placement = { system: 'test', ...place };
const ids = createTestIds();

let started: TestDatabase;
const processes: PipelineProcess[] = [];
let key = 0;
before(async () => {
  started = await startPipelineDatabase();
});
beforeEach(async () => {
  key += 1;
  await started.admin.run(sql`delete from core.leases`);
  await started.admin.run(sql`delete from core.outbox`);
});
afterEach(async () => {
  for (const process of processes.splice(0)) await process.kill();
});

async function start(options: Omit<PipelineOptions, 'ids' | 'seed'> = {}): Promise<PipelineProcess> {
  const process = await startProcess(started.database, { ...options, ids, seed: processes.length });
  processes.push(process);
  await process.streams.declare('links', 4);
  return process;
}

/** Each test has a key of its own; its events are numbered. */
const told = (numbers: readonly number[]) =>
  numbers.map((n) => ({ stream: 'links', type: 'counted', key: `key${key}`, payload: { n } }));

async function write(process: PipelineProcess, ...numbers: number[]): Promise<void> {
  await started.database.transact(placement, { signal }, (tx) =>
    process.outbox.insertEvents(tx, place, told(numbers), undefined),
  );
}

const numbersOf = (events: readonly StreamEvent[]) =>
  events.map(({ payload }) => (payload as { n: number }).n);

async function logged(process: PipelineProcess): Promise<number[]> {
  const of = { workspaceId: '1', key: `key${key}` };
  return numbersOf(await process.streams.readKey('links', of, { limit: 100_000 }));
}

async function waitFor(process: PipelineProcess, count: number, advanceMs = 0): Promise<number[]> {
  return eventually(`${count} events in the log`, async () => {
    process.clock.advance(advanceMs);
    const numbers = await logged(process);
    return numbers.length >= count && numbers;
  });
}

/** Lets a process notice that the leader is silent, and take over. */
async function takeOver(process: PipelineProcess): Promise<void> {
  for (let passedMs = 0; passedMs < 2 * LEASE_MS; passedMs += 500) {
    process.clock.advance(500);
    await started.database.core.first(sql`select 1`);
    await turn();
  }
}

const holder = async () =>
  (await started.admin.first<{ epoch: string }>(sql`select epoch from core.leases where name = 'relay'`))
    ?.epoch;

lifecycleSuite('an outbox', async () => (await start({ hasRelay: false })).outbox);

test('an event is in the log, and no longer in the outbox, as soon as its own process is woken', async () => {
  const process = await start();
  await write(process, 1, 2, 3);
  process.outbox.wake();
  assert.deepEqual(await waitFor(process, 3), [1, 2, 3]);
  assert.equal(await started.admin.first(sql`select from core.outbox`), undefined);
});

test('an event of another process is found by polling', async () => {
  const relay = await start();
  const writer = await start();
  await write(writer, 1);
  writer.outbox.wake();
  assert.deepEqual(await waitFor(relay, 1, 20), [1]);
});

test('of several processes one relays, and the next when it has stopped', async () => {
  const [one, two] = [await start(), await start()];
  assert.equal(await holder(), '1');
  await one.outbox.stop(signal);
  await takeOver(two);
  assert.equal(await holder(), '3');
  await write(two, 1);
  two.outbox.wake();
  assert.deepEqual(await waitFor(two, 1, 20), [1]);
});

test('a relay whose lease was taken while it was held up moves nothing', async () => {
  const [old, next] = [await start(), await start()];
  old.line.plan('outbox', ['before']);
  await write(old, 1, 2);
  old.outbox.wake();
  await takeOver(next);
  assert.deepEqual(await waitFor(next, 2, 20), [1, 2]);
  await write(next, 3, 4);
  old.line.release();
  const failures = await eventually('the old relay is told', () => {
    const codes = old.line.takeFailures();
    return codes.length > 0 && codes;
  });
  assert.deepEqual(failures, ['lease_lost']);
  assert.deepEqual(await logged(next), [1, 2]);
  assert.deepEqual(await waitFor(next, 4, 20), [1, 2, 3, 4]);
});

test('a relay that is held up inside its transaction keeps its lease until that has ended', async () => {
  const [old, next] = [await start(), await start()];
  old.line.plan('outbox', ['inside']);
  await write(old, 1, 2);
  old.outbox.wake();
  await eventually('the batch has been moved but for the commit', () =>
    started.admin.first(sql`
      select from pg_stat_activity where state = 'idle in transaction' and query like '%with taken%'`),
  );
  await takeOver(next);
  assert.equal(await holder(), '1', 'the taking waits');
  old.line.release();
  await eventually('the taking has gone on', async () => (await holder()) === '2');
  // Time passes: the new lease may have run out here before its taking came through, and is kept by the next beat.
  assert.deepEqual(await waitFor(next, 2, 20), [1, 2]);
  await write(next, 3);
  next.outbox.wake();
  assert.deepEqual(await waitFor(next, 3, 20), [1, 2, 3]);
});

test('a batch whose commit is not heard of is neither lost nor moved twice', async () => {
  const process = await start();
  process.line.plan('outbox', ['lost', 'late', 'fail']);
  await write(process, 1, 2);
  process.outbox.wake();
  await waitFor(process, 2, 100);
  await write(process, 3, 4);
  // A busy machine may have let the relay go on by itself: both batches may have failed already.
  const failures = process.line.takeFailures();
  process.outbox.wake();
  await eventually('the second batch is late', () => {
    process.clock.advance(100);
    failures.push(...process.line.takeFailures());
    return failures.length >= 2;
  });
  assert.deepEqual(failures.slice(0, 2), ['outcome_unknown', 'outcome_unknown']);
  process.line.release();
  assert.deepEqual(await waitFor(process, 4, 100), [1, 2, 3, 4]);
});

test('a transaction that commits late is found at once, and before later ones of its key', async () => {
  const process = await start();
  let commit = () => {};
  const open = new Promise<void>((resolve) => {
    commit = resolve;
  });
  let isWritten = false;
  const late = started.database.transact(placement, { signal }, async (tx) => {
    await process.outbox.insertEvents(tx, place, told([1]), undefined);
    isWritten = true;
    await open;
  });
  await eventually('the first is written', () => isWritten);
  const own = key;
  key += 1000;
  for (let n = 1; n <= 20; n++) {
    await write(process, n);
    process.outbox.wake();
    await waitFor(process, n);
  }
  key = own;
  commit();
  await late;
  await write(process, 2);
  process.outbox.wake();
  assert.deepEqual(await waitFor(process, 2), [1, 2]);
});

test('rows that are dead but cannot be vacuumed are not read again', async () => {
  const process = await start({ outbox: { batchMax: 100 } });
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isOpen = false;
  const snapshot = started.database.transact(placement, { signal, role: 'system' }, async (tx) => {
    await tx.run(sql`set transaction isolation level repeatable read`);
    await tx.first(sql`select from core.streams`);
    isOpen = true;
    await held;
  });
  await eventually('the snapshot is held', () => isOpen);
  const readBefore = await entriesRead();
  for (let batch = 0; batch < 40; batch++) {
    await write(process, ...Array.from({ length: 100 }, (_, i) => batch * 100 + i));
    process.outbox.wake();
    await waitFor(process, (batch + 1) * 100);
  }
  release();
  await snapshot;
  await process.kill();
  const read = (await entriesRead()) - readBefore;
  // From the start of the table each time it would be 40 × 4,000 / 2, three times.
  assert(read > 4000 && read < 60_000, `${read} index entries were read for 4,000 events`);
});

/** Of the outbox's index. Sessions report what they have read when they are idle, or when asked to. */
async function entriesRead(): Promise<number> {
  let last = -1;
  return eventually('the count stands still', async () => {
    for (let i = 0; i < 10; i++) await started.database.core.run(sql`select pg_stat_force_next_flush()`);
    const row = await started.admin.first<{ read: string }>(sql`
      select idx_tup_read as read from pg_stat_user_indexes where indexrelname = 'outbox_pkey'`);
    const isSame = Number(row?.read) === last;
    last = Number(row?.read);
    return isSame && last;
  });
}

test('past the bound writes are refused, until the relay has caught up', async () => {
  const relay = await start({ outbox: { lagMax: 100 } });
  relay.line.plan('outbox', ['before']);
  await write(relay, ...Array.from({ length: 101 }, (_, i) => i));
  await eventually('the lag is noticed', () => {
    relay.clock.advance(100);
    return relay.outbox.lag().events > 100 && relay.outbox.lag().oldestMs > 0;
  });
  assert.throws(() => relay.outbox.assertRoom(), { code: 'outbox_full', status: 503, retryAfterS: 1 });
  assert.equal(relay.outbox.health().status, 'failing');
  relay.line.calm();
  await waitFor(relay, 101, 20);
  await eventually('there is room again', () => {
    relay.clock.advance(100);
    return relay.outbox.lag().events === 0 && relay.outbox.health().status === 'ok';
  });
  relay.outbox.assertRoom();
});

test('more events than the log has room for wait until it has made room', async () => {
  const process = await start({ streams: { segmentEvents: 1000 } });
  for (let at = 0; at < 5000; at += 1000) {
    await write(process, ...Array.from({ length: 1000 }, (_, i) => at + i));
  }
  process.outbox.wake();
  const numbers = await waitFor(process, 5000, 100);
  assert.deepEqual(
    numbers,
    Array.from({ length: 5000 }, (_, i) => i),
  );
});

test('it says how much it has moved and what waits', async () => {
  const process = await start();
  await write(process, 1, 2, 3);
  process.outbox.wake();
  await waitFor(process, 3);
  const text = await eventually('the batch is counted', async () => {
    const scraped = await process.metrics.registry.metrics();
    return scraped.includes('loadstone_outbox_moved_total 3') && scraped;
  });
  assert.match(text, /loadstone_outbox_leading 1/);
  assert.match(text, /loadstone_outbox_events 0/);
  assert.match(text, /loadstone_outbox_oldest_seconds 0/);
  assert.match(text, /loadstone_outbox_batch_seconds_count 1/);
});
