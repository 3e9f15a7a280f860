import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Sustained } from '../events-sustained.ts';
import { formatResults, judge, quantilesOf, type Results } from './events.ts';

const load = (lagMax: number): Sustained => ({
  events: 8000,
  eventsPerS: 1000,
  serverUs: 200,
  writersUs: 100,
  systemUs: 50,
  otherUs: 5,
  walBytes: 2000,
  serverShare: 0.9,
  postgresShare: 0.5,
  lagMean: 20,
  lagLate: 21,
  lagMax,
  relayBatch: 10,
  projectionBatch: 12,
});

function results(visibleMs: number, lagMax: number): Results {
  const idle = Array.from({ length: 100 }, () => ({ movedMs: visibleMs / 2, visibleMs }));
  return { idle: [idle], seenMs: [visibleMs], api: [load(lagMax)], sql: [load(lagMax)] };
}

const met = (of: Results) => judge(of).map(({ isMet }) => isMet);

test('the bars are 10 ms for most, 50 ms for all but one in a hundred, and a second of events', () => {
  assert.deepEqual(met(results(10, 999)), [true, true, true]);
  assert.deepEqual(met(results(10.1, 1000)), [false, true, false]);
  assert.deepEqual(met(results(50.1, 0)), [false, false, true]);
  const slowOnes = results(5, 0);
  const idle = slowOnes.idle.map((delays) => [...delays, { movedMs: 1, visibleMs: 99 }]);
  assert.deepEqual(met({ ...slowOnes, idle }), [true, true, true]);
});

test('a quantile is one of the values, and as many as it says are not above it', () => {
  const values = fc.array(fc.nat(), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(values, (some) => {
      const { p50, p99, max } = quantilesOf(some);
      assert(some.includes(p50) && some.includes(p99));
      assert(some.filter((value) => value <= p50).length >= some.length / 2);
      assert(some.filter((value) => value <= p99).length >= some.length * 0.99);
      assert.equal(max, Math.max(...some));
    }),
  );
});

test('the text has every stage, and no number that is none', () => {
  const text = formatResults(results(4, 30), 8);
  for (const part of ['to the log', 'commit to projection visible', 'by SQL', '| 1,000 (1,000–1,000) |'])
    assert(text.includes(part), part);
  assert(!/NaN|undefined/.test(text));
});
