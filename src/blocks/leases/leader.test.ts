import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createManualClock, type ManualClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { seededRandom } from '#base/random';
import { createLeader } from './leader.ts';
import type { LeaseStore } from './store.ts';
import { createMemoryLeases } from './stores/memory.ts';

const LEASE_MS = 5000;
const BEAT_MS = 1000;
const never = new AbortController().signal;

function make(store: LeaseStore, clock: ManualClock, seed = 1) {
  let taken = 0;
  const onTaken = () => {
    taken += 1;
  };
  const deps = { clock, random: seededRandom(seed), log: silentLog, store, onTaken };
  const leader = createLeader('relay', { leaseMs: LEASE_MS }, deps);
  return Object.assign(leader, { takenTimes: () => taken });
}

/** A store that can be cut off, as by a crash or a broken network. */
function cuttable(inner: LeaseStore) {
  const line = { isCut: false };
  const unlessCut = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (line.isCut) throw new Error('the line is cut');
      return call(...args);
    };
  };
  const store: LeaseStore = {
    look: unlessCut(inner.look),
    take: unlessCut(inner.take),
    beat: unlessCut(inner.beat),
    release: unlessCut(inner.release),
    fence: unlessCut(inner.fence),
  };
  return { line, store };
}

async function pass(ms: number, ...clocks: ManualClock[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += BEAT_MS / 2) {
    for (const clock of clocks) clock.advance(BEAT_MS / 2);
    await turn();
  }
}

lifecycleSuite('a leader', async () => make(createMemoryLeases(), createManualClock()));

test('the first to come leads, and keeps leading', async () => {
  const store = createMemoryLeases();
  const clock = createManualClock();
  const [one, two] = [make(store, clock, 1), make(store, clock, 2)];
  await one.start(never);
  await two.start(never);
  assert.deepEqual(one.current(), { name: 'relay', epoch: 1 });
  await pass(10 * LEASE_MS, clock);
  assert.deepEqual(one.current(), { name: 'relay', epoch: 1 });
  assert.equal(two.current(), undefined);
  assert.deepEqual([one.takenTimes(), two.takenTimes()], [1, 0]);
  assert.deepEqual(two.health(), { status: 'ok' });
  await one.stop(never);
  await two.stop(never);
});

test('a leader that stops is followed within two beats', async () => {
  const store = createMemoryLeases();
  const clock = createManualClock();
  const [one, two] = [make(store, clock, 1), make(store, clock, 2)];
  await one.start(never);
  await two.start(never);
  await one.stop(never);
  assert.equal(one.current(), undefined);
  await pass(2 * BEAT_MS, clock);
  assert.equal(two.takenTimes(), 1);
  assert(two.current());
  await two.stop(never);
});

test('a leader that dies is followed after the length of a lease, and not before', async () => {
  const { line, store } = cuttable(createMemoryLeases());
  const clock = createManualClock();
  const one = make(store, clock, 1);
  await one.start(never);
  line.isCut = true;
  await one.stop(never);
  line.isCut = false;
  const two = make(store, clock, 2);
  await two.start(never);
  await pass(LEASE_MS - BEAT_MS, clock);
  assert.equal(two.current(), undefined);
  await pass(3 * BEAT_MS, clock);
  assert.deepEqual(two.current(), { name: 'relay', epoch: 2 });
  await two.stop(never);
});

test('who is cut off stops leading before another can start, and clocks that disagree do not matter', async () => {
  const inner = createMemoryLeases();
  const { line, store } = cuttable(inner);
  const [clock, other] = [createManualClock(), createManualClock(1_000_000_000)];
  const [one, two] = [make(store, clock, 1), make(inner, other, 2)];
  await one.start(never);
  await two.start(never);
  await pass(3 * BEAT_MS, clock, other);
  line.isCut = true;
  for (let beats = 0; beats < 20; beats++) {
    await pass(BEAT_MS, clock, other);
    assert(!(one.current() && two.current()), 'two lead at once');
  }
  assert(two.current());
  assert.equal(one.health().status, 'failing');
  line.isCut = false;
  await pass(2 * BEAT_MS, clock, other);
  assert.equal(one.current(), undefined);
  assert.deepEqual(one.health(), { status: 'ok' });
  await one.stop(never);
  await two.stop(never);
});

test('who was frozen does not lead on waking, and goes on if nobody has followed', async () => {
  const clock = createManualClock();
  const one = make(createMemoryLeases(), clock);
  await one.start(never);
  clock.advance(10 * LEASE_MS);
  assert.equal(one.current(), undefined);
  await pass(2 * BEAT_MS, clock);
  assert.deepEqual(one.current(), { name: 'relay', epoch: 1 });
  await one.stop(never);
});

test('who was fenced off campaigns again at once', async () => {
  const store = createMemoryLeases();
  const clock = createManualClock();
  const one = make(store, clock);
  await one.start(never);
  const held = one.current()!;
  const second = await store.take('relay', 'second', await store.look('relay'));
  one.lost(held);
  assert.equal(one.current(), undefined);
  await turn();
  await store.release(second!);
  await pass(2 * BEAT_MS, clock);
  assert.equal(one.current()?.epoch, 4);
  one.lost(held);
  assert(one.current(), 'an old lease that was lost says nothing about the present one');
  await one.stop(never);
});
