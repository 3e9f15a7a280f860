import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '#base/clock';
import { seededRandom } from '#base/random';
import { POLICIES } from '../policy-names.ts';
import { cacheStoreSuite } from '../store.suite.ts';
import type { Entry } from '../store.ts';
import { CHANGES_MAX, FLOORS_MAX } from './fills.ts';
import { createMemoryStore, type MemoryStoreOptions } from './memory.ts';

function make(given: Partial<MemoryStoreOptions> = {}) {
  const clock = createManualClock();
  const options = {
    policy: 'lru',
    entriesMax: 100,
    bytesMax: 0,
    entryBytesMax: 1000,
    fillsMax: 10,
    ...given,
  } as const;
  return { clock, store: createMemoryStore<string>(options, { clock, random: seededRandom(1) }) };
}

const entry = (value: string, more: Partial<Entry<string>> = {}): Entry<string> => ({
  ...{ value, refreshAfterMs: 1000, freshForMs: 1000, keepForMs: 1000, bytes: 0 },
  ...more,
});

for (const policy of POLICIES) {
  cacheStoreSuite(`memory, ${policy}`, async () => {
    const { clock, store } = make({ policy });
    return { store, pass: async (ms) => clock.advance(ms) };
  });
}

test('a hit is answered at once before its refresh, and not after it', () => {
  const { clock, store } = make();
  store.put('a', entry('1', { refreshAfterMs: 500 }));
  assert.equal(store.fresh?.('a', clock.monotonicMs()), '1');
  clock.advance(500);
  assert.equal(store.fresh?.('a', clock.monotonicMs()), undefined);
});

test('property: bounded by entries and by bytes, under every policy, and never another value than the last', () => {
  const key = fc.integer({ min: 0, max: 40 }).map(String);
  const action = fc.record({
    kind: fc.constantFrom('put', 'put', 'put', 'get', 'get', 'invalidate', 'tag', 'pass', 'sweep'),
    key,
    bytes: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...POLICIES),
      fc.array(action, { maxLength: 200, size: 'max' }),
      (policy, actions) => {
        const { clock, store } = make({ policy, entriesMax: 10, bytesMax: 200, entryBytesMax: 50 });
        const last = new Map<string, string>();
        for (const [at, { kind, key: name, bytes }] of actions.entries()) {
          if (kind === 'put') {
            store.put(name, entry(`${at}`, { bytes, tags: [`t${Number(name) % 3}`] }));
            last.set(name, `${at}`);
          }
          if (kind === 'invalidate') store.invalidate([name]);
          if (kind === 'tag') store.invalidateTags([`t${Number(name) % 3}`]);
          if (kind === 'pass') clock.advance(bytes * 10);
          if (kind === 'sweep') store.sweep(bytes);
          const kept = store.get(name);
          assert(!(kept instanceof Promise));
          if (kept) assert.equal(kept.value, last.get(name));
          if (kind === 'invalidate' || kind === 'tag') assert.equal(kept, undefined);
          const counts = store.counts();
          assert(counts.entries <= 10 && counts.bytes <= 200 && counts.bytes >= 0);
        }
        store.clear();
        assert.deepEqual([store.counts().entries, store.counts().bytes], [0, 0]);
      },
    ),
    { numRuns: 100 },
  );
});

test('an entry that is too large is not kept, nor is what it was to replace', () => {
  const { store } = make({ bytesMax: 100, entryBytesMax: 50 });
  store.put('a', entry('small', { bytes: 10 }));
  assert.equal(store.put('a', entry('large', { bytes: 51 })), 'refused');
  assert.equal(store.get('a'), undefined);
  assert.deepEqual([store.counts().refused, store.counts().bytes], [1, 0]);
});

test('a sweep lets go of what is over, within its bound', () => {
  const { clock, store } = make();
  for (let n = 0; n < 50; n++) store.put(`${n}`, entry('x'));
  clock.advance(1000);
  store.sweep(20);
  assert.equal(store.counts().entries, 30);
  store.sweep(100);
  assert.deepEqual([store.counts().entries, store.counts().expired], [0, 50]);
});

test('what is over goes as others come, without a sweep', () => {
  const { clock, store } = make({ entriesMax: 1000 });
  for (let n = 0; n < 100; n++) store.put(`old ${n}`, entry('x'));
  clock.advance(1000);
  for (let n = 0; n < 110; n++) store.put(`new ${n}`, entry('x'));
  assert.equal(store.counts().entries, 110);
});

test('more changes than are remembered void every fill under way', () => {
  const { store } = make();
  const fill = store.begin('victim') as { ticket: number; atLeast: number };
  store.invalidate(['victim']);
  for (let n = 0; n <= CHANGES_MAX; n++) store.invalidate([`other ${n}`]);
  assert.equal(store.fill('victim', fill, entry('old')), 'void');
});

test('more floors than are remembered raise the floor of all', () => {
  const { store } = make();
  for (let n = 1; n <= FLOORS_MAX + 1; n++) store.invalidate([`key ${n}`], n);
  const first = store.begin('key 1');
  assert(!(first instanceof Promise));
  assert.equal(first.atLeast, 1);
  const last = store.begin(`key ${FLOORS_MAX + 1}`);
  assert(!(last instanceof Promise));
  assert.equal(last.atLeast, FLOORS_MAX + 1);
});

test('times of days are not rounded up', () => {
  const { clock, store } = make();
  const dayMs = 86_400_000 + 1;
  store.put('a', entry('1', { refreshAfterMs: 10 * dayMs, freshForMs: 10 * dayMs, keepForMs: 10 * dayMs }));
  clock.advance(10 * dayMs);
  assert.equal(store.get('a'), undefined);
});
