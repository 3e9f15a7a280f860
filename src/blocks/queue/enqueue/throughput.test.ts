import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueueCount } from '../store.ts';
import { createThroughput, type Throughput } from './throughput.ts';

const NONE = { scheduled: 0, held: 0, dead: 0, lowestPriority: undefined, oldestMs: undefined };

function count(waiting: number, ended: Record<string, number>): QueueCount {
  return { ...NONE, queue: 'q', waiting, running: 0, ended: new Map(Object.entries(ended)) };
}

function perS(throughput: Throughput, nowMs: number, one: QueueCount): number | undefined {
  return throughput.follow([one], nowMs)[0]?.endedPerS;
}

test('the rate is that of the last ten seconds, of all workers that were there', () => {
  const throughput = createThroughput();
  assert.equal(perS(throughput, 0, count(100, { a: 500 })), 0);
  assert.equal(perS(throughput, 1000, count(100, { a: 510, b: 7 })), 10);
  assert.equal(perS(throughput, 2000, count(100, { a: 520, b: 37 })), 25);
  for (let nowMs = 3000; nowMs <= 11_000; nowMs += 1000)
    perS(throughput, nowMs, count(100, { a: 520, b: 37 }));
  assert.equal(perS(throughput, 12_000, count(100, { a: 520, b: 37 })), 0);
});

test('a queue of long jobs has a rate although most seconds end none', () => {
  const throughput = createThroughput();
  for (let s = 0; s <= 20; s++) perS(throughput, s * 1000, count(9, { a: Math.floor(s / 5) }));
  assert.equal(perS(throughput, 21_000, count(9, { a: 4 })), 0.2);
});

test('what a queue did before it was empty does not slow what it does now', () => {
  const throughput = createThroughput();
  for (let s = 0; s <= 9; s++) perS(throughput, s * 1000, count(0, { a: 5 }));
  assert.equal(perS(throughput, 10_000, count(1000, { a: 105 })), 100);
});

test('a process that leads again does not count what others did meanwhile', () => {
  const throughput = createThroughput();
  perS(throughput, 0, count(5, { a: 0 }));
  throughput.forget();
  assert.equal(perS(throughput, 60_000, count(5, { a: 6000 })), 0);
  assert.equal(throughput.follow([count(5, { a: 6000 })], 61_000)[0]?.workers, 1);
});
