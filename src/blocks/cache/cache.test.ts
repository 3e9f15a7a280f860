import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineErrors, isLoadstoneError } from '#base/errors';
import { createMetrics } from '#base/metrics';
import { createBusFixture, createCacheFixture, settle } from './cache.fixture.ts';
import { cacheErrors } from './errors.ts';
import type { Write } from './writes/write-behind.ts';

const never = new AbortController().signal;
const errors = defineErrors('tested_origin', {
  origin_down: { status: 503, title: 'Down', retryable: true, doc: 'For tests.' },
  origin_forbidden: { status: 403, title: 'Forbidden', doc: 'For tests.' },
});
const withCode = (code: string) => (error: unknown) => isLoadstoneError(error) && error.code === code;

test('misses of one key at the same time share one load; a hit is answered at once', async () => {
  const { cache, asked } = createCacheFixture();
  const reads = Array.from({ length: 1000 }, () => cache.read('a'));
  await settle();
  assert.equal(asked.length, 1);
  await asked[0]?.answer('1');
  assert.deepEqual(new Set(await Promise.all(reads)), new Set(['1']));
  assert.equal(cache.read('a'), '1');
  assert.equal(cache.counts().reads.hit, 1);
});

test('who asks after a change does not share a load from before it', async () => {
  for (const change of ['invalidate', 'invalidateTags', 'clear'] as const) {
    const { cache, asked } = createCacheFixture();
    const before = cache.read('a');
    if (change === 'clear') await cache.clear();
    else await cache[change](['a']);
    const after = cache.read('a');
    assert.equal(asked.length, 2, change);
    await asked[1]?.answer({ value: 'new', tags: ['a'] });
    await asked[0]?.answer({ value: 'old', tags: ['a'] });
    assert.deepEqual([await before, await after], ['old', 'new']);
    assert.equal(cache.read('a'), 'new');
  }
});

test('a load that is older than a known change is tried again, then refused, and never kept', async () => {
  const { cache, asked } = createCacheFixture({ outdatedLoadsMax: 2 });
  await cache.invalidate(['a'], 5);
  const read = cache.read('a') as Promise<string>;
  read.catch(() => {});
  await settle();
  assert.equal(asked[0]?.call.atLeast, 5);
  await asked[0]?.answer({ value: 'old', version: 4 });
  assert.equal(asked.length, 2);
  await asked[1]?.answer({ value: 'old', version: 4 });
  await assert.rejects(read, withCode('cache_load_outdated'));
  assert.equal(cache.get('a'), undefined);
});

test('a caller whose time is over leaves; the load goes on for the others', async () => {
  const { cache, asked } = createCacheFixture();
  const leaving = new AbortController();
  const left = cache.read('a', { signal: leaving.signal }) as Promise<string>;
  const stays = cache.read('a');
  leaving.abort(errors.origin_down());
  await assert.rejects(left, withCode('origin_down'));
  await asked[0]?.answer('1');
  assert.equal(await stays, '1');
  await assert.rejects(async () => cache.read('b', { signal: leaving.signal }), withCode('origin_down'));
  assert.equal(asked.length, 1, 'nothing is read for one who has left');
});

test('a load that takes too long is aborted; those that hang count until they return', async () => {
  const { clock, cache, asked } = createCacheFixture({ loadsMax: 1, loadTimeoutMs: 100 });
  const late = cache.read('a') as Promise<string>;
  late.catch(() => {});
  await settle();
  clock.advance(100);
  await assert.rejects(late, withCode('cache_load_late'));
  assert.equal(asked[0]?.call.signal.aborted, true);
  await assert.rejects(async () => cache.read('b'), withCode('cache_loads_full'));
  await asked[0]?.answer('1');
  assert.equal(cache.get('a'), undefined, 'what came too late is not kept');
  const next = cache.read('b');
  await settle();
  await asked[1]?.answer('2');
  assert.equal(await next, '2');
});

test('what an origin throws has a code', async () => {
  const { cache, asked } = createCacheFixture();
  const thrown = [new Error('odd'), errors.origin_forbidden(), 'text'];
  const codes: string[] = [];
  for (const [at, error] of thrown.entries()) {
    const read = cache.read('a') as Promise<string>;
    read.catch((caught) => codes.push(caught.code));
    await settle();
    await asked[at]?.fail(error);
  }
  assert.deepEqual(codes, ['cache_load_failed', 'origin_forbidden', 'cache_load_failed']);
});

test('that there is none is remembered for its own time', async () => {
  const { clock, cache, asked } = createCacheFixture({ negativeTtlMs: 100 });
  const read = cache.read('a');
  await settle();
  await asked[0]?.answer(undefined);
  assert.equal(await read, undefined);
  assert.equal(cache.read('a'), undefined);
  clock.advance(100);
  const again = cache.read('a');
  assert(again instanceof Promise);
  await settle();
  await asked[1]?.answer('1');
  assert.equal(await again, '1');
});

test('negative caching can be off', async () => {
  const { cache, asked } = createCacheFixture({ negativeTtlMs: 0 });
  for (let n = 0; n < 2; n++) {
    const read = cache.read('a');
    await settle();
    await asked[n]?.answer(undefined);
    assert.equal(await read, undefined);
  }
  assert.equal(asked.length, 2);
});

async function filled(given: Parameters<typeof createCacheFixture>[0]) {
  const fixture = createCacheFixture(given);
  const read = fixture.cache.read('a');
  await settle();
  await fixture.asked[0]?.answer('old');
  await read;
  return fixture;
}

test('refresh ahead: a hit in the last share of its time is given, and read anew once', async () => {
  const { clock, cache, asked } = await filled({ refreshAheadShare: 0.2 });
  clock.advance(799);
  assert.equal(cache.read('a'), 'old');
  clock.advance(1);
  assert.equal(await cache.read('a'), 'old');
  assert.equal(await cache.read('a'), 'old');
  assert.equal(asked.length, 2);
  await asked[1]?.answer('new');
  assert.equal(cache.read('a'), 'new');
});

test('stale while revalidate: given past its time while it is read anew, for so long', async () => {
  const { clock, cache, asked } = await filled({ staleWhileRevalidateMs: 500 });
  clock.advance(1000);
  assert.equal(cache.get('a'), undefined, 'cache-aside gives what is fresh only');
  assert.equal(await cache.read('a'), 'old');
  assert.equal(asked.length, 2);
  await asked[1]?.answer('new');
  assert.equal(cache.read('a'), 'new');
  clock.advance(1500);
  assert(cache.read('a') instanceof Promise);
  await settle();
  assert.equal(asked.length, 3);
});

test('stale if error: given when the origin fails for now, which is then left alone for a while', async () => {
  const { clock, cache, asked } = await filled({ staleIfErrorMs: 10_000, errorHoldMs: 300 });
  clock.advance(1000);
  const read = cache.read('a');
  await settle();
  await asked[1]?.fail(errors.origin_down());
  assert.equal(await read, 'old');
  assert.equal(await cache.read('a'), 'old');
  assert.equal(asked.length, 2, 'held');
  clock.advance(300);
  const again = cache.read('a');
  await settle();
  await asked[2]?.answer('new');
  assert.equal(await again, 'new');
});

test('stale if error: not for one who refuses, not for what is too old, not for what is wrong for good', async () => {
  const { clock, cache, asked } = await filled({ staleIfErrorMs: 10_000, errorHoldMs: 0 });
  clock.advance(2000);
  const cases = [
    [{ whenPartitioned: 'refuse' }, errors.origin_down(), 'origin_down'],
    [{ staleMsMax: 1999 }, errors.origin_down(), 'origin_down'],
    [{}, errors.origin_forbidden(), 'origin_forbidden'],
  ] as const;
  for (const [at, [call, error, code]] of cases.entries()) {
    const read = cache.read('a', call) as Promise<string>;
    const rejected = assert.rejects(read, withCode(code));
    await settle();
    await asked[at + 1]?.fail(error);
    await rejected;
  }
  const read = cache.read('a', { staleMsMax: 2000 });
  await settle();
  await asked[4]?.fail(errors.origin_down());
  assert.equal(await read, 'old');
});

test('stale if error: not what was invalidated while the origin was asked', async () => {
  const { clock, cache, asked } = await filled({ staleIfErrorMs: 10_000 });
  clock.advance(1000);
  const read = cache.read('a') as Promise<string>;
  const rejected = assert.rejects(read, withCode('origin_down'));
  await settle();
  await cache.invalidate(['a']);
  await asked[1]?.fail(errors.origin_down());
  await rejected;
});

test('nothing is given that is older than declared', async () => {
  const { clock, cache, asked } = await filled({
    ttlMs: 5000,
    staleMsMax: 1000,
    staleWhileRevalidateMs: 5000,
  });
  clock.advance(1000);
  assert(cache.read('a') instanceof Promise);
  await settle();
  assert.equal(asked.length, 2);
});

test('a caller may ask for something younger than what is fresh for others', async () => {
  const { clock, cache, asked } = await filled({});
  clock.advance(100);
  assert.equal(await cache.read('a', { staleMsMax: 100 }), 'old');
  const read = cache.read('a', { staleMsMax: 99 });
  await settle();
  await asked[1]?.answer('new');
  assert.equal(await read, 'new');
});

test('jitter takes off up to its share, and times of single values are their own', async () => {
  const { clock, cache, asked } = createCacheFixture({ ttlJitter: 0.5 });
  for (let n = 0; n < 40; n++) {
    void cache.read(`${n}`);
    await asked[n]?.answer('1');
  }
  clock.advance(499);
  const count = () => Array.from({ length: 40 }, (_, n) => cache.get(`${n}`)).filter(Boolean).length;
  assert.equal(count(), 40);
  clock.advance(250);
  const half = count();
  assert(half > 5 && half < 35, `${half}`);
  clock.advance(251);
  assert.equal(count(), 0);
  void cache.read('own');
  await asked[40]?.answer({ value: '1', ttlMs: 10 });
  clock.advance(10);
  assert.equal(cache.get('own'), undefined);
});

test('cache-aside: a value read before a change is not kept', async () => {
  const { cache } = createCacheFixture({ loadsMax: 2 });
  const [before, other] = [await cache.begin('a'), await cache.begin('a')];
  await assert.rejects(async () => cache.begin('b'), withCode('cache_loads_full'));
  await cache.invalidate(['a'], 3);
  assert.equal(await before.keep({ value: 'old' }), 'void');
  await other.abandon();
  const after = await cache.begin('a');
  assert.equal(after.atLeast, 3);
  assert.equal(await after.keep({ value: 'new' }), 'kept');
  assert.equal(cache.get('a'), 'new');
});

function createWriter() {
  const batches: Write<string>[][] = [];
  const answers: PromiseWithResolvers<{ version?: number }>[] = [];
  return {
    batches,
    answers,
    write(batch: readonly Write<string>[]) {
      batches.push([...batch]);
      const answer = Promise.withResolvers<{ version?: number }>();
      answers.push(answer);
      return answer.promise;
    },
  };
}

test('write-through keeps what the origin has taken; a load from before its end does not come back', async () => {
  const { write, answers } = createWriter();
  const { cache, asked } = createCacheFixture({}, { write });
  const writing = cache.writeThrough('a', 'new');
  const read = cache.read('a');
  await settle();
  answers[0]?.resolve({});
  await writing;
  assert.equal(cache.read('a'), 'new');
  await asked[0]?.answer('old');
  assert.equal(await read, 'old');
  assert.equal(cache.read('a'), 'new');
});

test('write-through: a write that failed, or that overlapped another, leaves nothing kept', async () => {
  const { write, answers } = createWriter();
  const { cache } = createCacheFixture({}, { write });
  const first = cache.writeThrough('a', '1');
  await settle();
  answers[0]?.resolve({});
  await first;
  const failing = cache.writeThrough('a', '2');
  await settle();
  answers[1]?.reject(new Error('connection lost'));
  await assert.rejects(failing, withCode('cache_write_failed'));
  assert.equal(cache.get('a'), undefined);
  const both = [cache.writeThrough('a', '3'), cache.writeThrough('a', '4')];
  await settle();
  answers[3]?.resolve({});
  answers[2]?.resolve({});
  await Promise.all(both);
  assert.equal(cache.get('a'), undefined);
});

test('write-around keeps nothing', async () => {
  const { write, answers } = createWriter();
  const { cache, asked } = createCacheFixture({}, { write });
  void cache.read('a');
  await asked[0]?.answer('old');
  const writing = cache.writeAround('a', 'new');
  await settle();
  answers[0]?.resolve({});
  await writing;
  assert.equal(cache.get('a'), undefined);
});

test('caches of two processes: a change on one is forgotten on the other, and silence means reading anew', async () => {
  let nowMs = () => 0;
  const bus = createBusFixture({ monotonicMs: () => nowMs() });
  const here = createCacheFixture({ ttlMs: 60_000 }, { bus: bus.member() });
  nowMs = here.clock.monotonicMs;
  const there = createCacheFixture({ ttlMs: 60_000 }, { bus: bus.member(), clock: here.clock });
  for (const { cache } of [here, there]) await cache.start(never);
  here.clock.advance(1);
  const fill = async (value: string) => {
    const read = there.cache.read('a');
    await settle();
    await there.asked.at(-1)?.answer(value);
    return read;
  };
  await fill('1');
  await here.cache.invalidate(['a']);
  assert.equal(there.cache.read('a'), '1', 'not yet heard');
  bus.deliver();
  assert.equal(await fill('2'), '2');

  // Heard: at once. Silent for longer than the heartbeat: once more from the origin, then for as long at once.
  here.clock.advance(1001);
  assert.equal(there.cache.get('a'), undefined);
  assert.equal(await fill('3'), '3');
  assert.equal(await there.cache.read('a'), '3');
  bus.deliver();
  assert.equal(there.cache.read('a'), '3');

  // Lost: what was kept before is read anew, and given if the origin is gone too.
  await here.cache.invalidate(['a']);
  bus.lose();
  const read = there.cache.read('a');
  await settle();
  await there.asked.at(-1)?.fail(errors.origin_down());
  assert.equal(await read, '3');
  const refused = there.cache.read('a', { whenPartitioned: 'refuse' }) as Promise<string>;
  const rejected = assert.rejects(refused, withCode('origin_down'));
  await settle();
  await there.asked.at(-1)?.fail(errors.origin_down());
  await rejected;
  for (const { cache } of [here, there]) await cache.stop(never);
});

test('a bus that fails is told of with a code, after the change was forgotten here', async () => {
  for (const publish of [() => Promise.reject(new Error('gone')), () => assert.fail('gone')]) {
    const { cache, clock } = createCacheFixture(
      {},
      {
        bus: { publish, follow: () => () => {}, heardMs: () => clock.monotonicMs() },
      },
    );
    const fill = await cache.begin('a');
    await fill.keep({ value: '1' });
    await assert.rejects(async () => cache.invalidate(['a']), withCode('cache_invalidation_untold'));
    assert.equal(cache.get('a'), undefined);
  }
});

test('after a machine has slept what was kept is read anew; a started cache sweeps', async () => {
  const { cache, clock } = createCacheFixture({ ttlMs: 100_000, sweepEveryMs: 1000 });
  await cache.start(never);
  for (const [key, ttlMs] of [
    ['a', 100_000],
    ['short', 10],
  ] as const) {
    const fill = await cache.begin(key);
    await fill.keep({ value: '1', ttlMs });
  }
  clock.advance(2500);
  assert.equal(cache.counts().entries, 1);
  assert.equal(cache.get('a'), '1');
  clock.step(3_600_000);
  clock.advance(2000);
  assert.equal(cache.get('a'), undefined);
  await cache.stop(never);
});

test('what it does is in the metrics, and hot keys and ghosts can be asked for', async () => {
  const metrics = createMetrics();
  const { cache, asked } = createCacheFixture({ hotKeysMax: 4, ghostShare: 1, entriesMax: 100 }, { metrics });
  void cache.read('a');
  await asked[0]?.answer('1');
  for (let n = 0; n < 64; n++) cache.read('a');
  assert.equal(cache.hot(1)[0]?.key, 'a');
  assert(cache.ghosts().every(({ hitRatio, requests }) => hitRatio > 0.95 && requests >= 65));
  const text = await metrics.registry.metrics();
  assert.match(text, /loadstone_cache_reads_total\{cache="tested",result="hit"\} 64/);
  assert.match(text, /loadstone_cache_loads_total\{cache="tested"\} 1/);
  assert.match(text, /loadstone_cache_ghost_hit_ratio\{cache="tested",policy="sieve",entries="200"\} 0\.98/);
});

test('errors have the statuses that clients go by', () => {
  for (const code of ['cache_loads_full', 'cache_load_late', 'cache_writes_full'] as const) {
    assert(cacheErrors[code]().retryable, code);
  }
});
