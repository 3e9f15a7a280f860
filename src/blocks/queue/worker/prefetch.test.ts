import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrefetch } from './prefetch.ts';

function paced(concurrency: number, turns: readonly [elapsedMs: number, ended: number][]) {
  const prefetch = createPrefetch({ concurrency, prefetchMax: 1000 });
  let nowMs = 0;
  prefetch.turned(nowMs, 0);
  for (const [elapsedMs, ended] of turns) {
    nowMs += elapsedMs;
    prefetch.turned(nowMs, ended);
  }
  return prefetch;
}

test('where jobs take long, none is in flight beyond those that run', () => {
  assert.equal(paced(10, Array(20).fill([1000, 10])).target(), 10);
});

test('where they take no time, the next 50 ms are, up to the most', () => {
  const prefetch = paced(10, Array(50).fill([10, 100]));
  assert(Math.abs(prefetch.target() - 510) <= 5, `${prefetch.target()}`);
  assert.equal(paced(10, Array(50).fill([1, 1000])).target(), 1010);
});

test('a prefetch is forgotten within a second of standing still', () => {
  assert(paced(1, [...Array(50).fill([10, 100]), [1000, 0]]).target() <= 12);
});

test('of long payloads fewer are taken at once', () => {
  const prefetch = createPrefetch({ concurrency: 10, prefetchMax: 1000 });
  assert(prefetch.takeMax() > 1000);
  for (let i = 0; i < 20; i++) prefetch.weighed(10, 10 * 65_536);
  assert(prefetch.takeMax() <= 65);
  prefetch.weighed(0, 0);
  assert(prefetch.takeMax() >= 1);
});
