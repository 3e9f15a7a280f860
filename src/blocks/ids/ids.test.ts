import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createManualClock, systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import { AHEAD_MS_MAX, createIds } from './ids.ts';
import { ID_TIME_MS_MAX, ORIGIN_MS, parseId, SEQUENCE_MAX, WORKER_MAX } from './layout.ts';
import { idLimits } from './model.ts';
import { idsOptions } from './options.ts';
import type { WorkerLeaseStore } from './store.ts';
import { createMemoryWorkerLeases } from './stores/memory.ts';

const options = parseOptions(idsOptions, {});
const never = new AbortController().signal;

function setUp(store: WorkerLeaseStore = createMemoryWorkerLeases(), clock = createManualClock()) {
  const ids = createIds(options, { clock, random: seededRandom(1), log: silentLog, store });
  return { store, clock, ids };
}

async function started(store?: WorkerLeaseStore, clock = createManualClock()) {
  const made = setUp(store, clock);
  await made.ids.start(never);
  return made;
}

/** A store that fails while `down`, like a database that cannot be reached. */
function breakable(inner: WorkerLeaseStore) {
  const state = { down: false };
  const unlessDown = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (state.down) throw new Error('the store is down');
      return call(...args);
    };
  };
  const store: WorkerLeaseStore = {
    take: unlessDown(inner.take),
    renew: unlessDown(inner.renew),
    release: unlessDown(inner.release),
  };
  return { state, store };
}

lifecycleSuite(
  'ids',
  async () => setUp(createMemoryWorkerLeases(), createManualClock(systemClock.nowMs())).ids,
);

test('an id carries the time, the bucket and the worker', async () => {
  const { ids, clock } = await started();
  const parts = parseId(ids.next(77));
  assert.deepEqual(parts, { timeMs: clock.nowMs(), bucket: 77, worker: 0, sequence: 0 });
  assert.throws(() => ids.next(1024), /not a bucket/);
  assert.throws(() => ids.next(0.5), /not a bucket/);
});

test('(timeMs, sequence) grows, and ids of one bucket grow as numbers', async () => {
  const { ids, clock } = await started();
  let last = { timeMs: 0, sequence: 0 };
  const lastOf = new Map<number, bigint>();
  for (let i = 0; i < 5000; i++) {
    if (i % 100 === 0) clock.step([3, -2, 0, 1][(i / 100) % 4]!);
    const id = ids.next(i % 3);
    const { timeMs, sequence } = parseId(id);
    assert(timeMs > last.timeMs || (timeMs === last.timeMs && sequence > last.sequence));
    assert(BigInt(id) > (lastOf.get(i % 3) ?? 0n));
    last = { timeMs, sequence };
    lastOf.set(i % 3, BigInt(id));
  }
});

test('it borrows at most a second, then refuses until the clock catches up', async () => {
  const { ids, clock } = await started();
  const startMs = clock.nowMs();
  let count = 0;
  const issue = () => {
    const { timeMs } = parseId(ids.next(0));
    assert(timeMs <= clock.nowMs() + AHEAD_MS_MAX);
    count++;
  };
  assert.throws(
    () => {
      for (;;) issue();
    },
    { code: 'ids_ahead_of_clock', status: 503, retryable: true, retryAfterS: 1 },
  );
  assert.equal(count, idLimits.burstMax);
  assert.deepEqual(ids.health(), { status: 'ok' });
  clock.advance(1);
  for (let i = 0; i <= SEQUENCE_MAX; i++) issue();
  assert.throws(issue, { code: 'ids_ahead_of_clock' });
  clock.advance(5000);
  for (let i = 0; i <= SEQUENCE_MAX; i++) issue();
  assert.equal(parseId(ids.next(0)).timeMs, startMs + 5002);
});

test('after a step back within a second it goes on; after a larger one it takes another worker by itself', async () => {
  const { ids, clock, store } = await started();
  const { timeMs } = parseId(ids.next(0));
  clock.step(-AHEAD_MS_MAX);
  assert.deepEqual(parseId(ids.next(0)), { timeMs, bucket: 0, worker: 0, sequence: 1 });
  assert.deepEqual(ids.health(), { status: 'ok' });
  clock.step(-4000);
  assert.throws(() => ids.next(0), { code: 'ids_ahead_of_clock', retryAfterS: 1 });
  const health = ids.health();
  assert(health.status === 'failing' && /stepped back: it is 5000 ms behind/.test(health.reason));
  await turn();
  assert.deepEqual(parseId(ids.next(0)), { timeMs: clock.nowMs(), bucket: 0, worker: 1, sequence: 0 });
  assert.deepEqual(ids.health(), { status: 'ok' });
  // The one that was left is free as far as it was used, and no further.
  clock.step(5000);
  const taken = await store.take({ holder: 'next', nowMs: timeMs + 1, highMs: timeMs + 2 });
  assert.deepEqual([taken?.worker, taken?.floorMs], [2, 0], 'the least recently used one comes first');
  const small = createMemoryWorkerLeases(2);
  const other = await started(small, createManualClock(clock.nowMs()));
  const last = parseId(other.ids.next(0));
  other.clock.step(-3_600_000);
  assert.throws(() => other.ids.next(0), { code: 'ids_ahead_of_clock' });
  await turn();
  other.ids.next(0);
  await turn();
  const request = { holder: 'next', nowMs: last.timeMs + 1, highMs: last.timeMs + 2 };
  const free = [await small.take(request), await small.take(request)];
  assert.equal(free.find((each) => each?.worker === 0)?.floorMs, last.timeMs);
});

test('a step back that nobody asks an id after is healed on time, and without a free worker it waits for the clock', async () => {
  const { ids, clock } = await started();
  ids.next(0);
  clock.step(-3_600_000);
  assert.equal(ids.health().status, 'failing');
  clock.advance(options.leaseMs / 3);
  await turn();
  assert.deepEqual(ids.health(), { status: 'ok' });
  assert.equal(parseId(ids.next(0)).timeMs, clock.nowMs());

  const alone = await started(createMemoryWorkerLeases(1));
  const { timeMs } = parseId(alone.ids.next(0));
  alone.clock.step(-5000);
  for (let turns = 0; turns < 3; turns++) {
    assert.throws(() => alone.ids.next(0), { code: 'ids_ahead_of_clock' });
    await turn();
    alone.clock.advance(1000);
  }
  alone.clock.advance(2000);
  assert.equal(parseId(alone.ids.next(0)).timeMs, timeMs);
});

test('renewed on time, it issues for ever', async () => {
  const { ids, clock } = await started();
  for (let i = 0; i < 100; i++) {
    clock.advance(options.leaseMs / 3);
    await turn();
    assert.equal(parseId(ids.next(0)).worker, 0);
  }
});

test('without the store it issues to the end of its range, then refuses, and recovers by itself', async () => {
  const { state, store } = breakable(createMemoryWorkerLeases());
  const { ids, clock } = await started(store);
  state.down = true;
  clock.advance(options.leaseMs);
  await turn();
  ids.next(0);
  clock.advance(1);
  assert.throws(() => ids.next(0), { code: 'worker_lease_lost', status: 503, retryable: true });
  assert.equal(ids.health().status, 'failing');
  await turn();
  state.down = false;
  clock.advance(1500);
  await turn();
  assert.equal(parseId(ids.next(0)).worker, 0);
  assert.deepEqual(ids.health(), { status: 'ok' });
});

test('when the clock steps past the range, the refused call renews at once', async () => {
  const { ids, clock } = await started();
  clock.step(options.leaseMs * 2);
  assert.throws(() => ids.next(0), { code: 'worker_lease_lost' });
  await turn();
  assert.equal(parseId(ids.next(0)).timeMs, clock.nowMs());
});

test('a lease that passed to another process is replaced, and ids go on growing', async () => {
  const store = createMemoryWorkerLeases(2);
  const { ids, clock } = await started(store);
  // The other machine's clock is an hour ahead, so it finds every range used up.
  const otherClock = createManualClock(clock.nowMs() + 3_600_000);
  const others = [await started(store, otherClock), await started(store, otherClock)];
  const before = ids.next(9);
  clock.advance(options.leaseMs / 3);
  await turn();
  assert.throws(() => ids.next(9), { code: 'worker_lease_lost' });
  const health = ids.health();
  assert(health.status === 'failing' && /none of/.test(health.reason), JSON.stringify(health));
  await others[0]!.ids.stop(never);
  clock.step(3_600_000);
  clock.advance(1500);
  await turn();
  assert(BigInt(ids.next(9)) > BigInt(before));
  assert.deepEqual(ids.health(), { status: 'ok' });
});

test('a range taken over is not issued from, though the clock is inside it', async () => {
  const store = createMemoryWorkerLeases(1);
  const ahead = await started(store, createManualClock(1_800_000_500_000));
  const aheadIds = [ahead.ids.next(0), ahead.ids.next(0)];
  await ahead.ids.stop(never);
  const { ids, clock } = setUp(store, createManualClock(1_800_000_500_000));
  await assert.rejects(ids.start(never), { code: 'workers_exhausted' });
  clock.advance(1);
  const next = await started(store, clock);
  assert(BigInt(next.ids.next(0)) > BigInt(aheadIds[1]!));
});

test('under another worker it begins after what it has issued itself', async () => {
  const store = createMemoryWorkerLeases(2);
  const { ids, clock } = await started(store);
  const otherClock = createManualClock(clock.nowMs() + 3_600_000);
  const others = [await started(store, otherClock), await started(store, otherClock)];
  for (const other of others) await other.ids.stop(never);
  clock.advance(options.leaseMs / 3 - 1);
  const before = ids.next(9);
  clock.advance(1);
  await turn();
  clock.step(-AHEAD_MS_MAX);
  const after = ids.next(9);
  assert.notEqual(parseId(after).worker, parseId(before).worker);
  assert(BigInt(after) > BigInt(before));
});

test('it begins after the last range of its worker, though its clock steps back into it', async () => {
  const store = createMemoryWorkerLeases(1);
  const first = await started(store);
  const before = first.ids.next(0);
  await first.ids.stop(never);
  first.clock.advance(1);
  const { ids, clock } = await started(store, first.clock);
  clock.step(-1);
  assert.equal(parseId(ids.next(0)).timeMs, parseId(before).timeMs + 1);
});

test('with all 128 workers in use the start fails', async () => {
  const store = createMemoryWorkerLeases();
  const clock = createManualClock();
  for (let i = 0; i <= WORKER_MAX; i++) await started(store, clock);
  await assert.rejects(setUp(store, clock).ids.start(never), { code: 'workers_exhausted' });
});

test('a clock outside of what ids can hold is refused', async () => {
  const start = (nowMs: number) => setUp(undefined, createManualClock(nowMs)).ids.start(never);
  for (const nowMs of [0, ORIGIN_MS, ID_TIME_MS_MAX + 1]) {
    await assert.rejects(start(nowMs), { code: 'clock_out_of_range' });
  }
  const { ids, clock } = await started(undefined, createManualClock(ID_TIME_MS_MAX));
  ids.next(0);
  clock.step(1);
  assert.throws(() => ids.next(0), { code: 'clock_out_of_range' });
});

test('stopped or not started, it refuses', async () => {
  assert.throws(() => setUp().ids.next(0), { code: 'worker_lease_lost' });
  const { ids } = await started();
  await ids.stop(never);
  assert.throws(() => ids.next(0), { code: 'stopped' });
});

test('a worker that arrives after the start was aborted is given back', async () => {
  const store = createMemoryWorkerLeases(1);
  const arrival = Promise.withResolvers<void>();
  const late: WorkerLeaseStore = {
    ...store,
    take: async (request) => {
      await arrival.promise;
      return store.take(request);
    },
  };
  const { ids } = setUp(late);
  const controller = new AbortController();
  const starting = ids.start(controller.signal);
  controller.abort(new Error('changed our mind'));
  await assert.rejects(starting, /changed our mind/);
  arrival.resolve();
  await turn();
  await started(store);
});
