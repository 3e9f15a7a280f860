import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCORE_MIN } from '../score.ts';
import { createReadyCursor } from './ready-cursor.ts';

test('a claim goes on where the last one stopped', () => {
  const readyCursor = createReadyCursor();
  assert.equal(readyCursor.from(), SCORE_MIN);
  assert.equal(readyCursor.mayHaveMore(), true);
  readyCursor.begin(9);
  readyCursor.read({ isFull: true, lastScore: 500 });
  assert.equal(readyCursor.from(), 500);
  assert.equal(readyCursor.mayHaveMore(), true);
  readyCursor.begin(9);
  readyCursor.read({ isFull: false, lastScore: undefined });
  assert.equal(readyCursor.from(), 500);
  assert.equal(readyCursor.mayHaveMore(), false);
});

test('what becomes ready below the mark is asked for by itself; beyond 256 the mark goes back', () => {
  const readyCursor = createReadyCursor();
  readyCursor.read({ isFull: false, lastScore: 1000 });
  readyCursor.woken(1001);
  readyCursor.woken(7);
  readyCursor.woken(3);
  assert.deepEqual(readyCursor.begin(9), [3, 7]);
  assert.deepEqual(readyCursor.begin(9), []);
  assert.equal(readyCursor.from(), 1000);
  for (let score = 300; score < 300 + 257; score++) readyCursor.woken(score);
  assert.deepEqual(readyCursor.begin(9), []);
  assert.equal(readyCursor.from(), 300);
});

test('lateArrivals for which a turn has no room are kept for the next', () => {
  const readyCursor = createReadyCursor();
  readyCursor.read({ isFull: false, lastScore: 1000 });
  for (const score of [9, 3, 5]) readyCursor.woken(score);
  assert.deepEqual(readyCursor.begin(0), []);
  assert.deepEqual(readyCursor.begin(2), [3, 5]);
  assert.equal(readyCursor.mayHaveMore(), true);
  assert.deepEqual(readyCursor.begin(2), [9]);
  assert.equal(readyCursor.mayHaveMore(), false);
});

test('what comes while a turn is under way is not forgotten', () => {
  const readyCursor = createReadyCursor();
  readyCursor.begin(9);
  readyCursor.woken(5);
  readyCursor.read({ isFull: false, lastScore: undefined });
  assert.equal(readyCursor.mayHaveMore(), true);
});

test('the line is looked at from its beginning as often as costs a twentieth of the time', () => {
  const readyCursor = createReadyCursor();
  readyCursor.read({ isFull: false, lastScore: 1000 });
  assert.equal(readyCursor.lookFrom(0), SCORE_MIN);
  readyCursor.looked(SCORE_MIN, undefined, 100, 50);
  assert.equal(readyCursor.lookFrom(1099), 1000);
  readyCursor.looked(1000, undefined, 1050, 1);
  assert.equal(readyCursor.lookFrom(1100), SCORE_MIN);
  readyCursor.looked(SCORE_MIN, 400, 1100, 4000);
  assert.equal(readyCursor.from(), 400);
  assert.equal(readyCursor.mayHaveMore(), true);
  assert.equal(readyCursor.lookFrom(11_099), 400);
  assert.equal(readyCursor.lookFrom(11_100), SCORE_MIN);
});

test('while there is work it is looked at once a second, or when a job came that nobody knows', () => {
  const readyCursor = createReadyCursor();
  readyCursor.looked(SCORE_MIN, undefined, 0, 1);
  assert.equal(readyCursor.isLookDue(999), false);
  assert.equal(readyCursor.isLookDue(1000), true);
  readyCursor.woken(undefined);
  assert.equal(readyCursor.isLookDue(1), true);
  assert.equal(readyCursor.lookFrom(1), SCORE_MIN);
});
