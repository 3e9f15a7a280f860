import assert from 'node:assert/strict';
import test from 'node:test';
import { formatRing, judge, type Placing } from './ring.ts';

const round = { ring: 10, hashring: 300, 'consistent-hash': 20 };
const placing: Placing = { builtMs: 1, spread: 1.1, movedByOneMore: 1.1, movedByOneLess: [1, 1.2] };
const met = (given = round, found = placing) => judge([given], { ring: found }).map(({ isMet }) => isMet);

test('just met is met, and each bar is missed by itself', () => {
  assert.deepEqual(met(), [true, true, true]);
  assert.deepEqual(met({ ...round, hashring: 299 }), [false, true, true]);
  assert.deepEqual(met({ ...round, 'consistent-hash': 19.9 }), [true, false, true]);
  assert.deepEqual(met(round, { ...placing, movedByOneMore: 1.11 }), [true, true, false]);
  assert.deepEqual(met(round, { ...placing, movedByOneLess: [1, 1.3] }), [true, true, false]);
});

test('a round or a placing that is missing is no result', () => {
  assert.throws(() => judge([{ ring: 1 }], { ring: placing }), /a round without hashring/);
  assert.throws(() => judge([round], {}), /no placing of ring/);
});

test('the report has a row for each subject', () => {
  const text = formatRing([round], { ring: placing, hashring: placing });
  assert.match(text, /\| ring \| 10 \(10–10\) \| {2}\| 1.100 \| 1.100 \| 1.100 \(1.200\) \| 1.0 \|/);
  assert.match(text, /\| hashring \| 300 \(300–300\) \| 30.0 \|/);
});
