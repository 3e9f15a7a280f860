import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { createStillness } from './stillness.ts';

test('stillness counts from the first sight of the last change', () => {
  const clock = createManualClock();
  const stillness = createStillness(clock);
  assert.equal(stillness.stillMs('a', '1'), 0);
  clock.advance(700);
  assert.equal(stillness.stillMs('a', '1'), 700);
  assert.equal(stillness.stillMs('b', '1'), 0);
  clock.advance(300);
  assert.equal(stillness.stillMs('a', '2'), 0);
  assert.equal(stillness.stillMs('b', '1'), 300);
});

test('a correction of the wall clock changes nothing', () => {
  const clock = createManualClock();
  const stillness = createStillness(clock);
  stillness.stillMs('a', '1');
  clock.step(3_600_000);
  assert.equal(stillness.stillMs('a', '1'), 0);
});

test('what is not kept is seen for the first time again', () => {
  const clock = createManualClock();
  const stillness = createStillness(clock);
  stillness.stillMs('a', '1');
  stillness.stillMs('b', '1');
  clock.advance(100);
  stillness.keep(new Set(['b']));
  assert.equal(stillness.stillMs('a', '1'), 0);
  assert.equal(stillness.stillMs('b', '1'), 100);
});
