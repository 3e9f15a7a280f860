import assert from 'node:assert/strict';
import test from 'node:test';
import { type Claims, formatRounds, judge, type Round, type Sample } from './queue.ts';

const peer: Sample = {
  singlePerS: 1000,
  batchPerS: 10_000,
  processPerS: 10_000,
  snapshotPerS: 5000,
  pickUpP50Ms: 5,
  pickUpP99Ms: 9,
};
const worse: Sample = { ...peer, singlePerS: 500, batchPerS: 9000, processPerS: 20_000, pickUpP50Ms: 4 };
const own: Sample = {
  singlePerS: 5000,
  batchPerS: 30_000,
  processPerS: 36_000,
  snapshotPerS: 28_800,
  pickUpP50Ms: 3.9,
  pickUpP99Ms: 8,
};
const claims: [Claims, Claims] = [
  { waiting: 1000, p50Ms: 1, p99Ms: 2 },
  { waiting: 1_000_000, p50Ms: 1, p99Ms: 6 },
];
const round = (sample: Sample): Round => ({ loadstone: sample, 'pg-boss': peer, 'graphile-worker': worse });
const met = (sample: Sample, found = claims) => judge([round(sample)], found).map(({ isMet }) => isMet);

test('each bar is against the better peer of the round, and just met is met', () => {
  assert.deepEqual(met(own), Array(6).fill(true));
  assert.deepEqual(met({ ...own, singlePerS: 4999 }), [false, true, true, true, true, true]);
  assert.deepEqual(met({ ...own, batchPerS: 29_999 }), [true, false, true, true, true, true]);
  assert.deepEqual(met({ ...own, processPerS: 35_999, snapshotPerS: 35_999 }), [
    true,
    true,
    false,
    true,
    true,
    true,
  ]);
  assert.deepEqual(met({ ...own, pickUpP50Ms: 4 }), [true, true, true, false, true, true]);
  assert.deepEqual(met({ ...own, snapshotPerS: 28_799 }), [true, true, true, true, false, true]);
  const slower: [Claims, Claims] = [claims[0], { ...claims[1], p99Ms: 6.1 }];
  assert.deepEqual(met(own, slower), [true, true, true, true, true, false]);
});

test('one bad round of three does not decide', () => {
  const rounds = [own, { ...own, singlePerS: 1 }, own].map(round);
  assert.equal(judge(rounds, claims)[0]?.isMet, true);
});

test('a round without one of the subjects is no round', () => {
  assert.throws(() => judge([{ loadstone: own, 'pg-boss': peer }], claims), /without graphile-worker/);
});

test('the report names every subject with its settings', () => {
  const text = formatRounds([round(own)], claims, { loadstone: 'a', 'pg-boss': 'b' }, 12.3);
  for (const wanted of [
    '| loadstone | 5,000',
    '| pg-boss |',
    '| graphile-worker |',
    '- pg-boss: b',
    '12.30 ms',
  ]) {
    assert(text.includes(wanted), wanted);
  }
});
