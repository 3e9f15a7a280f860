import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import { predictKnee } from './usl-knee.ts';

const exactly = (value: number) => ({ value, low: value, high: value });
const steady = (perS: number) => ({ lambda: exactly(perS), sigma: exactly(1), kappa: exactly(0) });

test('a queue at the predicted rate has its 99th percentile at the bound', () => {
  const withinMs = 100;
  const { perS } = predictKnee(steady(200), { connections: 64, withinMs });
  const random = seededRandom(7);
  const draw = (ratePerS: number) => (-Math.log(1 - random.fraction()) / ratePerS) * 1000;
  const times: number[] = [];
  let [arrivedMs, freeMs] = [0, 0];
  for (let i = 0; i < 200_000; i++) {
    arrivedMs += draw(perS);
    freeMs = Math.max(freeMs, arrivedMs) + draw(200);
    times.push(freeMs - arrivedMs);
  }
  times.sort((a, b) => a - b);
  const p99 = times[Math.floor(0.99 * times.length)] ?? 0;
  assert(Math.abs(p99 / withinMs - 1) < 0.1, `${p99}`);
});

test('it stays below the capacity, and comes closer to it the longer an answer may take', () => {
  const number = fc.double({ min: 1, max: 1e5, noNaN: true });
  fc.assert(
    fc.property(number, number, number, (capacity, oneMs, otherMs) => {
      const at = (withinMs: number) => predictKnee(steady(capacity), { connections: 8, withinMs }).perS;
      assert(at(oneMs) >= 0 && at(oneMs) < capacity * (1 + 1e-9));
      assert(at(Math.min(oneMs, otherMs)) <= at(Math.max(oneMs, otherMs)));
    }),
  );
});
