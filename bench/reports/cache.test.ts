import assert from 'node:assert/strict';
import test from 'node:test';
import { formatRounds, judge, type Round } from './cache.ts';

const sample = (getsPerS: number, readsPerS: number, bytesPerEntry: number) => ({
  getsPerS,
  readsPerS,
  bytesPerEntry,
});
function roundOf(change: Partial<Record<keyof Round, ReturnType<typeof sample>>> = {}): Round {
  const all = {
    map: sample(300, 300, 40),
    'loadstone-lru': sample(120, 120, 90),
    'loadstone-sieve': sample(120, 120, 90),
    'loadstone-window-tiny-lfu': sample(80, 80, 130),
    'lru-cache': sample(100, 0, 100),
    bentocache: sample(8, 8, 300),
    ...change,
  };
  return Object.fromEntries(
    Object.entries(all).map(([subject, each]) => [subject, { subject, ...each }]),
  ) as Round;
}
const met = (round: Round) => judge([round]).map(({ isMet }) => isMet);

test('each bar is against its peer, and just met is met', () => {
  assert.deepEqual(met(roundOf()), Array(5).fill(true));
  assert.deepEqual(met(roundOf({ 'loadstone-lru': sample(119, 120, 90) })), [false, true, true, true, true]);
  assert.deepEqual(met(roundOf({ 'loadstone-sieve': sample(119, 120, 90) })), [
    true,
    false,
    true,
    true,
    true,
  ]);
  assert.deepEqual(met(roundOf({ 'loadstone-window-tiny-lfu': sample(79, 79, 131) })), [
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('a round without one of the subjects is no round, and the report names all', () => {
  const { bentocache: _, ...rest } = roundOf();
  assert.throws(() => judge([rest]), /bentocache/);
  const text = formatRounds([roundOf()], 100_000);
  for (const wanted of ['| lru-cache | 100', '| bentocache |', '100,000 entries'])
    assert(text.includes(wanted), wanted);
});
