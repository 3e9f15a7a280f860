import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import { createFrequencySketch } from './frequency-sketch.ts';

/** With a bound so that nothing ages. */
function fill(entries: number, hashes: readonly number[]) {
  const sketch = createFrequencySketch();
  sketch.grow(entries);
  const exact = new Map<number, number>();
  for (const hash of hashes) {
    sketch.increment(hash);
    exact.set(hash, (exact.get(hash) ?? 0) + 1);
  }
  return { sketch, exact };
}

test('property: it never says too little, up to 15', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer(), { maxLength: 400 }),
      fc.integer({ min: 50, max: 90 }),
      (hashes, entries) => {
        const { sketch, exact } = fill(
          entries,
          hashes.map((hash) => hash % 100),
        );
        for (const [hash, count] of exact) assert(sketch.estimate(hash) >= Math.min(15, count));
      },
    ),
  );
});

test('by more than two it says too much of few: of a full sample, at most one key in fifty', () => {
  const random = seededRandom(3);
  const entries = 4096;
  const { sketch, exact } = fill(
    entries,
    Array.from({ length: entries * 4 }, () => Math.floor(random.fraction() ** 3 * 1e6)),
  );
  const wrong = [...exact].filter(([hash, count]) => sketch.estimate(hash) > Math.min(15, count) + 2);
  assert(wrong.length < exact.size / 50, `${wrong.length} of ${exact.size}`);
});

test('all counts are halved when ten times its entries have been counted', () => {
  const sketch = createFrequencySketch();
  sketch.grow(100);
  for (let n = 0; n < 999; n++) sketch.increment(n < 14 ? 42 : 1000 + (n % 150));
  assert(sketch.estimate(42) >= 14);
  sketch.increment(1000);
  assert.equal(sketch.estimate(42), 7);
  for (let n = 0; n < 500; n++) sketch.increment(1000 + (n % 150));
  assert.equal(sketch.estimate(42), 3, 'the next time after half as many');
});

test('it keeps what it has counted when it grows', () => {
  const sketch = createFrequencySketch();
  sketch.grow(10);
  for (let n = 0; n < 30; n++) sketch.increment(n % 5);
  for (const entries of [11, 50, 1000, 100_000]) {
    sketch.grow(entries);
    for (let hash = 0; hash < 5; hash++) assert(sketch.estimate(hash) >= 6, `${hash} at ${entries}`);
  }
});
