import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random';
import { createCodeCounter, openCodeSpace } from './code-space.ts';
import type { CodeSpaceStore } from './store.ts';
import { createMemoryCodeSpaces } from './stores/memory.ts';

/** Counts the calls, and fails the next one when told to. */
function watched() {
  const inner = createMemoryCodeSpaces();
  const calls = { open: 0, lease: 0 };
  const failNext = { open: false, lease: false };
  function called(what: 'open' | 'lease'): void {
    calls[what]++;
    if (!failNext[what]) return;
    failNext[what] = false;
    throw new Error(`${what} failed`);
  }
  const store: CodeSpaceStore = {
    async open(name, key) {
      called('open');
      return inner.open(name, key);
    },
    async lease(name, count) {
      called('lease');
      return inner.lease(name, count);
    },
  };
  return { store, calls, failNext };
}

const open = (store: CodeSpaceStore, blockSize = 10, seed = 1) =>
  openCodeSpace('links', { store, random: seededRandom(seed) }, { blockSize });

test('calls that come at once share one lease, and leave nothing out', async () => {
  let leases = 0;
  const counter = createCodeCounter({ blockSize: 10 }, { lease: async (count) => leases++ * count });
  const counters = await Promise.all(Array.from({ length: 35 }, () => counter.next()));
  assert.deepEqual(
    counters.toSorted((a, b) => a - b),
    [...Array(35).keys()],
  );
  assert.equal(leases, 4);
});

test('a failed lease fails those who waited for it; the next call leases again', async () => {
  const { store, calls, failNext } = watched();
  const space = open(store);
  failNext.lease = true;
  const settled = await Promise.allSettled([space.next(), space.next()]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.match(await space.next(), /^[0-9A-Za-z]{7}$/);
  assert.equal(calls.lease, 2);
});

test('a space that could not be opened is opened by the next call', async () => {
  const { store, calls, failNext } = watched();
  const space = open(store);
  failNext.open = true;
  await assert.rejects(space.next(), /open failed/);
  await Promise.all([space.next(), space.next()]);
  assert.deepEqual(calls, { open: 2, lease: 1 });
});

test('processes of one space never give the same code, also after restarts', async () => {
  const store = createMemoryCodeSpaces();
  const given = new Set<string>();
  for (let process = 0; process < 20; process++) {
    const space = open(store, 10, process);
    for (let i = 0; i < 13; i++) given.add(await space.next());
  }
  assert.equal(given.size, 20 * 13);
});

test('a name that is no name is refused', () => {
  assert.throws(() => openCodeSpace('No Name', watched() as never, { blockSize: 1 }), /not the name/);
});
