import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPace } from './prefetch.ts';

function paced(concurrency: number, turns: readonly [elapsedMs: number, ended: number][]) {
  const pace = createPace({ concurrency, prefetchMax: 1000 });
  let nowMs = 0;
  pace.turned(nowMs, 0);
  for (const [elapsedMs, ended] of turns) {
    nowMs += elapsedMs;
    pace.turned(nowMs, ended);
  }
  return pace;
}

test('where jobs take long, none is in hand beyond those that run', () => {
  assert.equal(paced(10, Array(20).fill([1000, 10])).target(), 10);
});

test('where they take no time, the next 50 ms are, up to the most', () => {
  const pace = paced(10, Array(50).fill([10, 100]));
  assert(Math.abs(pace.target() - 510) <= 5, `${pace.target()}`);
  assert.equal(paced(10, Array(50).fill([1, 1000])).target(), 1010);
});

test('a pace is forgotten within a second of standing still', () => {
  assert(paced(1, [...Array(50).fill([10, 100]), [1000, 0]]).target() <= 12);
});

test('of long payloads fewer are taken at once', () => {
  const pace = createPace({ concurrency: 10, prefetchMax: 1000 });
  assert(pace.takeMax() > 1000);
  for (let i = 0; i < 20; i++) pace.weighed(10, 10 * 65_536);
  assert(pace.takeMax() <= 65);
  pace.weighed(0, 0);
  assert(pace.takeMax() >= 1);
});
