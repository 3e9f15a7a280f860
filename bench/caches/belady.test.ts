import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { optimalHitRatios } from './belady.ts';

/** Tries every choice. */
function bestHits(trace: readonly string[], size: number, at = 0, kept: readonly string[] = []): number {
  const key = trace[at];
  if (key === undefined) return 0;
  if (kept.includes(key)) return 1 + bestHits(trace, size, at + 1, kept);
  const all = [...kept, key];
  if (all.length <= size) return bestHits(trace, size, at + 1, all);
  return Math.max(...all.map((_, out) => bestHits(trace, size, at + 1, all.toSpliced(out, 1))));
}

test('property: as good as the best of all choices', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  fc.assert(
    fc.property(fc.array(key, { maxLength: 11 }), fc.integer({ min: 1, max: 3 }), (trace, size) => {
      const [ratio = 0] = optimalHitRatios(trace, [size]);
      assert.equal(Math.round(ratio * Math.max(1, trace.length)), bestHits(trace, size));
    }),
    { numRuns: 60 },
  );
});
