import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { formatSummary, summarize } from './statistics.ts';

test('the median lies in the middle, between the two middle ones if there are two', () => {
  assert.deepEqual(summarize([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.deepEqual(summarize([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 });
  assert.deepEqual(summarize([7]), { median: 7, min: 7, max: 7 });
});

test('as many values lie below the median as above', () => {
  const values = fc.array(fc.integer(), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(values, (some) => {
      const { median, min, max } = summarize(some);
      assert(min <= median && median <= max);
      const below = some.filter((value) => value < median).length;
      const above = some.filter((value) => value > median).length;
      assert(below <= some.length / 2 && above <= some.length / 2);
    }),
  );
});

test('a summary is written with its spread', () => {
  assert.equal(formatSummary({ median: 71204.4, min: 68010, max: 72930 }, 0), '71,204 (68,010–72,930)');
  assert.equal(formatSummary({ median: 0.9, min: 0.88, max: 1.01 }, 2), '0.90 (0.88–1.01)');
});
