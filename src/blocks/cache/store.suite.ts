/**
 * The conformance suite of the port: every engine passes it. It asks for nothing that only memory can do: no order of eviction,
 * no answer at once, no clock of its own; times are waited for by the clock that the engine is given.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABSENT, type CacheStore, type Entry } from './store.ts';

export interface StoreUnderTest {
  store: CacheStore<string>;
  /** Lets so much time pass for the engine. */
  pass(ms: number): Promise<void>;
  /** Ends it. */
  stop?(): Promise<void>;
}

const entry = (value: string | typeof ABSENT, more: Partial<Entry<string>> = {}): Entry<string> => ({
  ...{ value, refreshAfterMs: 60_000, freshForMs: 60_000, keepForMs: 60_000, bytes: 0 },
  ...more,
});

/** @param make a store that is empty, with room for a hundred entries and ten fills at once */
export function cacheStoreSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  const check = (what: string, run: (under: StoreUnderTest) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      const under = await make();
      try {
        await run(under);
      } finally {
        await under.stop?.();
      }
    });
  const valueIn = async (store: CacheStore<string>, key: string) => (await store.get(key))?.value;
  keepingSuite(check, valueIn);
  fillSuite(check, valueIn);
  versionSuite(check, valueIn);
}

type Check = (what: string, run: (under: StoreUnderTest) => Promise<void>) => void;
type ValueIn = (store: CacheStore<string>, key: string) => Promise<string | typeof ABSENT | undefined>;

function keepingSuite(check: Check, valueIn: ValueIn): void {
  check('what was put is there, and what was not is not', async ({ store }) => {
    assert.equal(await store.put('a', entry('1')), 'kept');
    assert.equal(await valueIn(store, 'a'), '1');
    assert.equal(await valueIn(store, 'b'), undefined);
    await store.put('a', entry('2'));
    assert.equal(await valueIn(store, 'a'), '2');
  });

  check('that there is none is kept as such', async ({ store }) => {
    await store.put('a', entry(ABSENT));
    assert.equal(await valueIn(store, 'a'), ABSENT);
  });

  check('keys are any text', async ({ store }) => {
    const keys = ['', ' ', 'a:b', '{a}', 'ü', '\u0000', '__proto__', 'x'.repeat(1000)];
    for (const key of keys) await store.put(key, entry(`of ${key}`));
    for (const key of keys) assert.equal(await valueIn(store, key), `of ${key}`);
  });

  check('an entry goes when its time is over, and not before', async ({ store, pass }) => {
    await store.put('a', entry('1', { refreshAfterMs: 100, freshForMs: 200, keepForMs: 10_000 }));
    const kept = await store.get('a');
    assert(kept && kept.refreshMs <= kept.freshUntilMs && kept.filledMs <= kept.refreshMs);
    await pass(9000);
    assert.equal(await valueIn(store, 'a'), '1', 'no longer fresh, but kept');
    await pass(1001);
    assert.equal(await valueIn(store, 'a'), undefined);
  });

  check('what is kept for no time replaces what there was', async ({ store }) => {
    await store.put('a', entry('1'));
    await store.put('a', entry('2', { freshForMs: 0, refreshAfterMs: 0, keepForMs: 0 }));
    assert.equal(await valueIn(store, 'a'), undefined);
  });

  check('invalidated keys go, others stay', async ({ store }) => {
    for (const key of ['a', 'b', 'c']) await store.put(key, entry(key));
    await store.invalidate(['a', 'c', 'unknown']);
    assert.deepEqual([await valueIn(store, 'a'), await valueIn(store, 'b')], [undefined, 'b']);
  });

  check(
    'invalidated tags take all that have one of them, by the tags that an entry has now',
    async ({ store }) => {
      await store.put('a', entry('a', { tags: ['t', 'u'] }));
      await store.put('b', entry('b', { tags: ['u'] }));
      await store.put('c', entry('c', { tags: ['t'] }));
      await store.put('d', entry('d'));
      await store.put('c', entry('c', { tags: ['w'] }));
      await store.invalidateTags(['t']);
      const left = await Promise.all(['a', 'b', 'c', 'd'].map((key) => valueIn(store, key)));
      assert.deepEqual(left, [undefined, 'b', 'c', 'd']);
    },
  );

  check('after a clear there is nothing, and it can be used again', async ({ store }) => {
    for (const key of ['a', 'b']) await store.put(key, entry(key, { tags: ['t'] }));
    await store.clear();
    assert.equal(await valueIn(store, 'a'), undefined);
    await store.put('a', entry('2'));
    assert.equal(await valueIn(store, 'a'), '2');
  });

  check('what may have changed stays, for whoever reads it anew', async ({ store }) => {
    await store.put('a', entry('1'));
    const fill = await store.begin('a');
    await store.distrust();
    assert.equal(await valueIn(store, 'a'), '1');
    assert.equal(store.fresh?.('a', 0), undefined);
    assert.equal(await store.fill('a', fill, entry('2')), 'void');
  });
}

function fillSuite(check: Check, valueIn: ValueIn): void {
  check('a fill is kept, once', async ({ store }) => {
    const fill = await store.begin('a');
    assert.equal(await store.fill('a', fill, entry('1')), 'kept');
    assert.equal(await store.fill('a', fill, entry('2')), 'void');
    assert.equal(await valueIn(store, 'a'), '1');
  });

  check('an abandoned fill is over', async ({ store }) => {
    const fill = await store.begin('a');
    await store.abandon('a', fill);
    await store.abandon('a', fill);
    assert.equal(await store.fill('a', fill, entry('1')), 'void');
    assert.equal(await valueIn(store, 'a'), undefined);
  });

  const changes: [string, (store: CacheStore<string>) => unknown][] = [
    ['an invalidation of its key', (store) => store.invalidate(['a'])],
    ['an invalidation of a tag that it brings', (store) => store.invalidateTags(['t'])],
    ['a clear', (store) => store.clear()],
    ['a loss of trust', (store) => store.distrust()],
  ];
  for (const [what, change] of changes) {
    check(`a fill that began before ${what} is not kept, one that began after it is`, async ({ store }) => {
      const before = await store.begin('a');
      await change(store);
      const after = await store.begin('a');
      assert.equal(await store.fill('a', before, entry('old', { tags: ['t'] })), 'void');
      assert.equal(await store.fill('a', after, entry('new', { tags: ['t'] })), 'kept');
      assert.equal(await valueIn(store, 'a'), 'new');
    });
  }

  check('a fill is not overtaken by changes of others', async ({ store }) => {
    const fill = await store.begin('a');
    await store.invalidate(['b']);
    await store.invalidateTags(['u']);
    await store.put('c', entry('c'));
    assert.equal(await store.fill('a', fill, entry('1', { tags: ['t'] })), 'kept');
  });

  check('a put overtakes the fills of its key', async ({ store }) => {
    const fill = await store.begin('a');
    await store.put('a', entry('written'));
    assert.equal(await store.fill('a', fill, entry('read')), 'void');
    assert.equal(await valueIn(store, 'a'), 'written');
  });

  check('a write alone is kept, and overtakes the fills of its key', async ({ store }) => {
    const write = await store.begin('a');
    const fill = await store.begin('a');
    assert.equal(await store.write('a', write, entry('written')), 'kept');
    assert.equal(await store.fill('a', fill, entry('read')), 'void');
    assert.equal(await valueIn(store, 'a'), 'written');
  });

  check('of two writes that overlap nothing is kept, in either order', async ({ store }) => {
    const [first, second] = [await store.begin('a'), await store.begin('a')];
    await store.write('a', second, entry('second'));
    assert.equal(await store.write('a', first, entry('first')), 'void');
    assert.equal(await valueIn(store, 'a'), undefined);
  });
}

function versionSuite(check: Check, valueIn: ValueIn): void {
  check('a change with a version is the floor of what is read after it', async ({ store }) => {
    assert.equal((await store.begin('a')).atLeast, 0);
    await store.invalidate(['a'], 7);
    const fill = await store.begin('a');
    assert.equal(fill.atLeast, 7);
    assert.equal(await store.fill('a', fill, entry('old', { version: 6 })), 'outdated');
    const again = await store.begin('a');
    assert.equal(await store.fill('a', again, entry('new', { version: 7 })), 'kept');
    assert.equal((await store.get('a'))?.version, 7);
  });

  check('tags and clears raise the floor too; it never sinks', async ({ store }) => {
    await store.invalidateTags(['t'], 5);
    assert((await store.begin('a')).atLeast >= 5);
    await store.clear(9);
    assert((await store.begin('a')).atLeast >= 9);
    await store.invalidate(['a'], 3);
    assert((await store.begin('a')).atLeast >= 9);
  });

  check('what was read at a change or after it stays when that is told late', async ({ store }) => {
    await store.put('a', entry('1', { version: 8, tags: ['t'] }));
    await store.invalidate(['a'], 8);
    await store.invalidateTags(['t'], 7);
    await store.clear(5);
    assert.equal(await valueIn(store, 'a'), '1');
    await store.invalidate(['a'], 9);
    assert.equal(await valueIn(store, 'a'), undefined);
  });

  check('an older version never takes the place of a newer one', async ({ store }) => {
    await store.put('a', entry('new', { version: 8 }));
    assert.equal(await store.put('a', entry('old', { version: 7 })), 'outdated');
    assert.equal(await valueIn(store, 'a'), 'new');
  });
}
