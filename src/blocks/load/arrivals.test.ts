import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import { createArrivals } from './arrivals.ts';

type Schedule = Parameters<typeof createArrivals>[0];

function timesOf(schedule: Schedule, seed: number): number[] {
  const arrivals = createArrivals(schedule, seededRandom(seed));
  const times: number[] = [];
  for (; arrivals.nextMs < Number.POSITIVE_INFINITY; arrivals.advance()) times.push(arrivals.nextMs);
  return times;
}

const schedules = fc.record({
  arrivals: fc.constantFrom('poisson' as const, 'uniform' as const),
  ratePerS: fc.double({ min: 1, max: 5000, noNaN: true }),
  durationMs: fc.integer({ min: 1, max: 2000 }),
});

describe('arrivals', () => {
  test('a seed gives the same again; they come in order and within the duration', () => {
    fc.assert(
      fc.property(schedules, fc.integer(), (schedule, seed) => {
        const times = timesOf(schedule, seed);
        assert.deepEqual(timesOf(schedule, seed), times);
        assert.deepEqual(
          times.toSorted((a, b) => a - b),
          times,
        );
        assert(times.every((time) => time >= 0 && time < schedule.durationMs));
      }),
    );
  });

  test('uniform ones are as many as the rate says', () => {
    assert.equal(timesOf({ arrivals: 'uniform', ratePerS: 333, durationMs: 10_000 }, 1).length, 3330);
  });

  test('another seed gives other Poisson arrivals, with the mean and the variance of their law', () => {
    const schedule: Schedule = { arrivals: 'poisson', ratePerS: 100, durationMs: 1000 };
    assert.notDeepEqual(timesOf(schedule, 1), timesOf(schedule, 2));
    const counts = Array.from({ length: 500 }, (_, seed) => timesOf(schedule, seed).length);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
    assert(Math.abs(mean - 100) < 3, `${mean}`);
    assert(Math.abs(variance - 100) < 25, `${variance}`);
  });
});
