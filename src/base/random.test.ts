import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, systemRandom } from './random.ts';

test('the same seed repeats, another differs', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return [random.fraction(), random.bytes(8).toString('hex'), random.fraction()];
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

test('fractions are spread over [0, 1)', () => {
  for (const random of [seededRandom(1), systemRandom]) {
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const fraction = random.fraction();
      assert(fraction >= 0 && fraction < 1);
      counts[Math.floor(fraction * 10)] += 1;
    }
    for (const count of counts) assert(count > 800 && count < 1200, `a tenth got ${count} of 10,000`);
  }
});

test('bytes come in the number asked for', () => {
  assert.equal(systemRandom.bytes(33).length, 33);
  assert.equal(seededRandom(1).bytes(0).length, 0);
});
