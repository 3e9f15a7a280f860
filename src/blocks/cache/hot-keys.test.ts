import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createHotKeys } from './hot-keys.ts';

test('property: counts are never too low, too high by what they say at most, and whoever is hot is there', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 500, size: 'max' }),
      fc.integer({ min: 1, max: 12 }),
      (keys, keysMax) => {
        const hot = createHotKeys({ keysMax });
        const exact = new Map<string, number>();
        for (const key of keys.map((each) => `${Math.floor(each ** 2 / 30)}`)) {
          hot.count(key);
          exact.set(key, (exact.get(key) ?? 0) + 1);
        }
        const top = hot.top(100);
        assert(top.length <= keysMax);
        for (const { key, count, overBy } of top) {
          const real = exact.get(key) ?? 0;
          assert(count >= real && count - overBy <= real);
          assert(overBy <= hot.total() / keysMax);
        }
        const names = new Set(top.map(({ key }) => key));
        for (const [key, count] of exact) if (count > hot.total() / keysMax) assert(names.has(key), key);
      },
    ),
  );
});
