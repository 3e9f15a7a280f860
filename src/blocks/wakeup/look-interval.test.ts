import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { createLookInterval } from './look-interval.ts';

function make({ lookMsMax = 6000 } = {}) {
  const clock = createManualClock();
  let isListening = true;
  const wakeups = { isListening: () => isListening, lookMsMax };
  const interval = createLookInterval({ pollMs: 20 }, { clock, wakeups });
  const hear = (hears: boolean) => {
    isListening = hears;
  };
  return { clock, interval, hear };
}

test('who is told looks seldom, and more seldom the longer nothing happens', () => {
  const { interval } = make();
  assert.deepEqual([1, 2, 3, 4, 5].map(interval.nextMs), [1000, 2000, 4000, 6000, 6000]);
  interval.stirred();
  assert.equal(interval.nextMs(), 1000);
});

test('who is deaf looks often, and seldom again once news arrive', () => {
  const { interval, hear } = make();
  hear(false);
  assert.deepEqual([1, 2, 3].map(interval.nextMs), [20, 20, 20]);
  hear(true);
  assert.equal(interval.nextMs(), 1000);
});

test('who finds what nobody has told of looks often for a while: somebody does not tell', () => {
  const { clock, interval } = make();
  interval.nextMs();
  interval.foundUntold();
  assert.equal(interval.nextMs(), 20);
  clock.advance(1999);
  assert.equal(interval.nextMs(), 20);
  clock.advance(1);
  assert.equal(interval.nextMs(), 1000);
});

test('the looks of a process that is idle come together', () => {
  const clock = createManualClock();
  const wakeups = { isListening: () => true, lookMsMax: 1000 };
  const [one, two] = [1, 2].map(() => createLookInterval({ pollMs: 20 }, { clock, wakeups }));
  clock.advance(300);
  assert.equal(one?.nextMs(), 700);
  clock.advance(200);
  assert.equal(two?.nextMs(), 500);
});
