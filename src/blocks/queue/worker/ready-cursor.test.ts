import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCORE_MIN } from '../score.ts';
import { createLine } from './ready-cursor.ts';

test('a claim goes on where the last one stopped', () => {
  const line = createLine();
  assert.equal(line.from(), SCORE_MIN);
  assert.equal(line.mayHaveMore(), true);
  line.begin(9);
  line.read({ isFull: true, lastScore: 500 });
  assert.equal(line.from(), 500);
  assert.equal(line.mayHaveMore(), true);
  line.begin(9);
  line.read({ isFull: false, lastScore: undefined });
  assert.equal(line.from(), 500);
  assert.equal(line.mayHaveMore(), false);
});

test('what becomes ready below the mark is asked for by itself; beyond 256 the mark goes back', () => {
  const line = createLine();
  line.read({ isFull: false, lastScore: 1000 });
  line.woken(1001);
  line.woken(7);
  line.woken(3);
  assert.deepEqual(line.begin(9), [3, 7]);
  assert.deepEqual(line.begin(9), []);
  assert.equal(line.from(), 1000);
  for (let score = 300; score < 300 + 257; score++) line.woken(score);
  assert.deepEqual(line.begin(9), []);
  assert.equal(line.from(), 300);
});

test('strays for which a turn has no room are kept for the next', () => {
  const line = createLine();
  line.read({ isFull: false, lastScore: 1000 });
  for (const score of [9, 3, 5]) line.woken(score);
  assert.deepEqual(line.begin(0), []);
  assert.deepEqual(line.begin(2), [3, 5]);
  assert.equal(line.mayHaveMore(), true);
  assert.deepEqual(line.begin(2), [9]);
  assert.equal(line.mayHaveMore(), false);
});

test('what comes while a turn is under way is not forgotten', () => {
  const line = createLine();
  line.begin(9);
  line.woken(5);
  line.read({ isFull: false, lastScore: undefined });
  assert.equal(line.mayHaveMore(), true);
});

test('the line is looked at from its beginning as often as costs a twentieth of the time', () => {
  const line = createLine();
  line.read({ isFull: false, lastScore: 1000 });
  assert.equal(line.lookFrom(0), SCORE_MIN);
  line.looked(SCORE_MIN, undefined, 100, 50);
  assert.equal(line.lookFrom(1099), 1000);
  line.looked(1000, undefined, 1050, 1);
  assert.equal(line.lookFrom(1100), SCORE_MIN);
  line.looked(SCORE_MIN, 400, 1100, 4000);
  assert.equal(line.from(), 400);
  assert.equal(line.mayHaveMore(), true);
  assert.equal(line.lookFrom(11_099), 400);
  assert.equal(line.lookFrom(11_100), SCORE_MIN);
});

test('while there is work it is looked at once a second, or when a job came that nobody knows', () => {
  const line = createLine();
  line.looked(SCORE_MIN, undefined, 0, 1);
  assert.equal(line.isLookDue(999), false);
  assert.equal(line.isLookDue(1000), true);
  line.woken(undefined);
  assert.equal(line.isLookDue(1), true);
  assert.equal(line.lookFrom(1), SCORE_MIN);
});
