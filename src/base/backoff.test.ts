import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';
import { seededRandom } from './random.ts';

test('a wait doubles with each attempt, half to all of it by chance, up to the longest', () => {
  const attempts = fc.integer({ min: 1, max: 1000 });
  fc.assert(
    fc.property(attempts, fc.nat(), (count, seed) => {
      const waitMs = backoffMs({ baseMs: 100, maxMs: 60_000 }, count, seededRandom(seed));
      const whole = Math.min(60_000, 100 * 2 ** (count - 1));
      assert(waitMs >= whole / 2 && waitMs <= whole, `${waitMs} of ${whole}`);
    }),
  );
});

test('what failed together does not come back together', () => {
  const random = seededRandom(1);
  const waits = Array.from({ length: 100 }, () => backoffMs({ baseMs: 10_000, maxMs: 60_000 }, 1, random));
  assert(new Set(waits).size > 90);
});
