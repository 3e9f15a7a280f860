import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, bucketOf } from './buckets.ts';

test('a key keeps its bucket for ever: these may never change', () => {
  const golden: Record<string, number> = {
    '': 11,
    0: 865,
    1: 399,
    a: 435,
    b: 562,
    key: 509,
    'lnk.example/abc1234': 1016,
    '9007199254740993': 912,
    ключ: 376,
    '\u{1f600}': 38,
  };
  for (const [key, bucket] of Object.entries(golden)) assert.equal(bucketOf(key), bucket, key);
});

test('property: every key has one of the 1,024 buckets', () => {
  assert.equal(BUCKETS, 1024);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (key) => {
      const bucket = bucketOf(key);
      assert(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS);
      assert.equal(bucketOf(key), bucket);
    }),
  );
});

/**
 * Pearson's chi-squared over the buckets. With 1,023 degrees of freedom its mean is 1,023 and its deviation 45: keys
 * that were spread at random would pass 1,250 (five deviations) once in three million tries.
 */
function chiSquared(keys: Iterable<string>): number {
  const counts = new Array<number>(BUCKETS).fill(0);
  let total = 0;
  for (const key of keys) {
    const bucket = bucketOf(key);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    total += 1;
  }
  const expected = total / BUCKETS;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

const KEYS = 100_000;
const kinds: Record<string, (i: number) => string> = {
  'consecutive numbers': (i) => String(i),
  'ids that share their low bits': (i) => String(7_305_126_811_000_000_000n + (BigInt(i) << 22n)),
  'codes of links': (i) => `lnk.example/${i.toString(36).padStart(7, '0')}`,
  'mail addresses': (i) => `user${i}@example.com`,
};
for (const [kind, keyOf] of Object.entries(kinds)) {
  test(`${kind} spread evenly`, () => {
    const spread = chiSquared(Array.from({ length: KEYS }, (_, i) => keyOf(i)));
    assert(spread < 1250, `chi-squared ${spread}`);
  });
}
