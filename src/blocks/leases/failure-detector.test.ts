import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { createFailureDetector } from './failure-detector.ts';

test('failureDetector counts from the first sight of the last change', () => {
  const clock = createManualClock();
  const failureDetector = createFailureDetector(clock);
  assert.equal(failureDetector.silentForMs('a', '1'), 0);
  clock.advance(700);
  assert.equal(failureDetector.silentForMs('a', '1'), 700);
  assert.equal(failureDetector.silentForMs('b', '1'), 0);
  clock.advance(300);
  assert.equal(failureDetector.silentForMs('a', '2'), 0);
  assert.equal(failureDetector.silentForMs('b', '1'), 300);
});

test('a correction of the wall clock changes nothing', () => {
  const clock = createManualClock();
  const failureDetector = createFailureDetector(clock);
  failureDetector.silentForMs('a', '1');
  clock.step(3_600_000);
  assert.equal(failureDetector.silentForMs('a', '1'), 0);
});

test('what is not kept is seen for the first time again', () => {
  const clock = createManualClock();
  const failureDetector = createFailureDetector(clock);
  failureDetector.silentForMs('a', '1');
  failureDetector.silentForMs('b', '1');
  clock.advance(100);
  failureDetector.keep(new Set(['b']));
  assert.equal(failureDetector.silentForMs('a', '1'), 0);
  assert.equal(failureDetector.silentForMs('b', '1'), 100);
});
