import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineErrors, isLoadstoneError } from '#base/errors';
import { createCacheFixture, settle } from '../cache.fixture.ts';

const never = new AbortController().signal;
const errors = defineErrors('tested_writer', {
  writer_forbids: { status: 403, title: 'Forbidden', doc: 'For tests.' },
});
const withCode = (code: string) => (error: unknown) => isLoadstoneError(error) && error.code === code;

function create(given: Parameters<typeof createCacheFixture>[0] = {}) {
  const truth = new Map<string, string>();
  const state = { calls: 0, fail: undefined as unknown, gate: undefined as Promise<void> | undefined };
  const fixture = createCacheFixture(given, {
    async write(batch) {
      state.calls += 1;
      await state.gate;
      if (state.fail !== undefined) throw state.fail;
      for (const { key, value } of batch) truth.set(key, value);
      return undefined;
    },
  });
  return { ...fixture, truth, state };
}

test('a value is read from when it was taken, and written a little later, the last of a key only', async () => {
  const { cache, clock, truth, state } = create({ writeBehindMs: 100 });
  for (const value of ['1', '2', '3']) cache.writeBehind('a', value);
  assert.equal(cache.read('a'), '3');
  assert.equal(cache.get('a'), '3');
  assert.equal(truth.size, 0);
  clock.advance(100);
  await settle();
  assert.deepEqual([truth.get('a'), state.calls], ['3', 1]);
  assert.equal(cache.read('a'), '3', 'kept when it was written');
  assert.equal(cache.counts().reads.unwritten, 2);
});

test('a full batch does not wait, and what has no room is refused', async () => {
  const { cache, truth, state } = create({ writeBatchMax: 2, writesMax: 3 });
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  for (const key of ['a', 'b', 'c']) cache.writeBehind(key, '1');
  assert.throws(() => cache.writeBehind('d', '1'), withCode('cache_writes_full'));
  cache.writeBehind('c', '2');
  gate.resolve();
  await settle();
  assert.equal(truth.size, 0, 'the clock stands still');
});

test('what failed is written again, unless a newer value waits; what is refused for good is dropped', async () => {
  const { cache, clock, truth, state } = create({ writeBehindMs: 100 });
  state.fail = new Error('gone');
  cache.writeBehind('a', '1');
  cache.writeBehind('b', '1');
  clock.advance(100);
  cache.writeBehind('a', '2');
  await settle();
  state.fail = undefined;
  assert.equal(cache.read('b'), '1');
  for (let n = 0; n < 10; n++) {
    clock.advance(100);
    await settle();
  }
  assert.deepEqual([...truth].sort(), [
    ['a', '2'],
    ['b', '1'],
  ]);
  state.fail = errors.writer_forbids();
  cache.writeBehind('c', '1');
  clock.advance(100);
  await settle();
  state.fail = undefined;
  clock.advance(10_000);
  await settle();
  assert.equal(truth.has('c'), false);
});

test('a stop writes what waits; what it cannot write before its deadline is told', async () => {
  const first = create();
  await first.cache.start(never);
  first.cache.writeBehind('a', '1');
  const stopping = first.cache.stop(never);
  first.clock.advance(0);
  await settle();
  await stopping;
  assert.equal(first.truth.get('a'), '1');
  assert.throws(() => first.cache.writeBehind('b', '1'), withCode('cache_writes_full'));

  const second = create();
  await second.cache.start(never);
  second.state.fail = new Error('gone');
  second.cache.writeBehind('a', '1');
  const deadline = new AbortController();
  const failing = assert.rejects(second.cache.stop(deadline.signal), withCode('cache_writes_lost'));
  second.clock.advance(0);
  await settle();
  deadline.abort();
  await failing;
});
