import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createHistogram, HISTOGRAM_ERROR_MAX } from './histogram.ts';

/** Half a microsecond for the unit, besides the share. */
const near = (actual: number, expected: number): boolean =>
  Math.abs(actual - expected) <= expected * HISTOGRAM_ERROR_MAX + 0.00051;

const latencies = fc.array(
  fc.oneof(
    fc.double({ min: 0, max: 0.1, noNaN: true }),
    fc.double({ min: 0, max: 100, noNaN: true }),
    fc.double({ min: 0, max: 2_000_000, noNaN: true }),
  ),
  { minLength: 1, maxLength: 300 },
);
const share = fc.double({ min: 0, max: 1, noNaN: true });

function filled(values: readonly number[]) {
  const histogram = createHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('the histogram', () => {
  test('reads back what sorting would, within its error', () => {
    fc.assert(
      fc.property(latencies, share, (values, at) => {
        const histogram = filled(values);
        const sorted = values.toSorted((a, b) => a - b);
        const expected = sorted[Math.max(1, Math.ceil(at * values.length)) - 1] ?? 0;
        assert(near(histogram.atMs(at), expected), `${histogram.atMs(at)} for ${expected}`);
        assert.equal(histogram.maxMs, sorted.at(-1));
        assert.equal(histogram.count, values.length);
        assert(near(histogram.meanMs, values.reduce((sum, each) => sum + each, 0) / values.length));
      }),
    );
  });

  test('the share within a bound lies between those of the bound less and more its error', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0, max: 2_000_000, noNaN: true }), (values, ms) => {
        const shareOf = (bound: number) => values.filter((each) => each <= bound).length / values.length;
        const found = filled(values).shareWithin(ms);
        assert(shareOf(ms * (1 - 2 * HISTOGRAM_ERROR_MAX) - 0.0011) <= found);
        assert(found <= shareOf(ms * (1 + 2 * HISTOGRAM_ERROR_MAX) + 0.0011));
      }),
    );
  });

  test('two added are one of both', () => {
    fc.assert(
      fc.property(latencies, latencies, share, (some, others, at) => {
        const added = filled(some);
        added.add(filled(others));
        const both = filled([...some, ...others]);
        assert.equal(added.atMs(at), both.atMs(at));
        assert.deepEqual([added.count, added.maxMs], [both.count, both.maxMs]);
      }),
    );
  });

  test('without values all is 0, and what is out of range counts at its end', () => {
    const histogram = createHistogram();
    assert.deepEqual([histogram.atMs(0.99), histogram.meanMs, histogram.shareWithin(1)], [0, 0, 0]);
    histogram.record(-5);
    histogram.record(1e12);
    assert.equal(histogram.atMs(0.5), 0);
    assert.equal(histogram.atMs(1), 1e12);
  });
});
