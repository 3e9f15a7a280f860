/**
 * GCRA against the token bucket it must equal, kept in exact integers: steps of a millionth of an interval.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '#base/random';
import { createGcra } from './gcra.ts';

interface Bucket {
  /** In units of which an interval has `unitsPerOne`. */
  level: bigint;
  atMs: number;
}

/** Every key's bucket, each call computed anew from the level before; no bound of keys. */
function createBuckets({ quota, windowMs }: { quota: number; windowMs: number }) {
  // In a millisecond `quota` units come back and one taken costs `windowMs` units: whole numbers, no rounding.
  const one = BigInt(windowMs);
  const full = one * BigInt(quota);
  const buckets = new Map<string, Bucket>();
  function levelOf(key: string, nowMs: number): bigint {
    const bucket = buckets.get(key);
    if (!bucket) return full;
    const grown = bucket.level + BigInt(nowMs - bucket.atMs) * BigInt(quota);
    return grown > full ? full : grown;
  }
  return {
    take(key: string, nowMs: number) {
      const level = levelOf(key, nowMs);
      const isAllowed = level >= one;
      const left = isAllowed ? level - one : level;
      buckets.set(key, { level: left, atMs: nowMs });
      return {
        isAllowed,
        remaining: Number(left / one),
        missingMs: isAllowed ? 0 : Number(one - level) / quota,
        wholeAfterMs: Number(full - left) / quota,
      };
    },
    giveBack(key: string, nowMs: number) {
      const level = levelOf(key, nowMs) + one;
      buckets.set(key, { level: level > full ? full : level, atMs: nowMs });
    },
    whole: (key: string, nowMs: number) => levelOf(key, nowMs) === full,
  };
}

function closeTo(actual: number, expected: number, what: string): void {
  assert(Math.abs(actual - expected) < 1e-3, `${what}: ${actual}, not ${expected}`);
}

function compare(seed: number): void {
  const random = seededRandom(seed);
  const integer = (max: number) => 1 + Math.floor(random.fraction() * max);
  const options = { quota: integer(20), windowMs: integer(5000), keysMax: 1000 };
  const gcra = createGcra(options);
  const model = createBuckets(options);
  const keys = Array.from({ length: integer(8) }, (_, i) => `k${i}`);
  let nowMs = integer(1e9);
  const taken = new Map<string, number>();
  for (let step = 0; step < 400; step++) {
    const at = `seed ${seed}, step ${step}, ${JSON.stringify(options)}`;
    if (random.fraction() < 0.6) nowMs += Math.floor(random.fraction() ** 3 * options.windowMs);
    const key = keys[Math.floor(random.fraction() * keys.length)] as string;
    if (random.fraction() < 0.15 && (taken.get(key) ?? 0) > 0) {
      taken.set(key, (taken.get(key) ?? 0) - 1);
      gcra.giveBack(key, nowMs);
      model.giveBack(key, nowMs);
      continue;
    }
    const decision = gcra.take(key, nowMs);
    const expected = model.take(key, nowMs);
    if (decision.isAllowed) taken.set(key, (taken.get(key) ?? 0) + 1);
    assert.equal(decision.isAllowed, expected.isAllowed, at);
    assert.equal(decision.remaining, expected.remaining, at);
    closeTo(decision.retryAfterMs, expected.missingMs, `${at}: retryAfterMs`);
    closeTo(decision.wholeAfterMs, expected.wholeAfterMs, `${at}: wholeAfterMs`);
    assert.deepEqual(gcra.peek(key, nowMs).remaining, expected.remaining, `${at}: a look takes nothing`);
    const used = keys.filter((each) => !model.whole(each, nowMs)).length;
    assert(gcra.size() >= used, `${at}: forgets none that has used of its budget`);
  }
  assert.equal(gcra.forgiven(), 0);
}

describe('GCRA', () => {
  test('decides as a token bucket does, whatever is taken and given back when', () => {
    for (let seed = 1; seed <= 150; seed++) compare(seed);
  });

  test('whoever waits as long as it says is let through, and not a millisecond before', () => {
    const gcra = createGcra({ quota: 3, windowMs: 1000, keysMax: 10 });
    for (let i = 0; i < 3; i++) assert(gcra.take('a', 5).isAllowed);
    const { isAllowed, retryAfterMs } = gcra.take('a', 5);
    assert(!isAllowed);
    assert(
      !gcra.take('a', 5 + retryAfterMs - 1).isAllowed,
      'asking in vain costs nothing and brings nothing',
    );
    assert(gcra.take('a', 5 + retryAfterMs).isAllowed);
    assert(gcra.take('b', 5).isAllowed, 'another key has its own');
  });

  test('keys that are whole again take no room; of more than it remembers the oldest is forgiven', () => {
    const gcra = createGcra({ quota: 2, windowMs: 1000, keysMax: 100 });
    let nowMs = 1;
    for (let i = 0; i < 10_000; i++) {
      gcra.take(`key ${i}`, nowMs);
      nowMs += 10;
    }
    // Half a window is 50 keys' time; they go as others come.
    assert(gcra.size() <= 60, `${gcra.size()} keys`);
    assert.equal(gcra.forgiven(), 0);
    for (let i = 0; i < 1000; i++) gcra.take(`storm ${i}`, nowMs);
    assert.equal(gcra.size(), 100);
    assert(gcra.forgiven() >= 900);
    gcra.take('storm 999', nowMs);
    assert(!gcra.take('storm 999', nowMs).isAllowed, 'the latest are remembered');
    assert.equal(gcra.peek('storm 0', nowMs).remaining, 2);
  });
});
