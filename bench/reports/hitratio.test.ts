import assert from 'node:assert/strict';
import test from 'node:test';
import { formatTraces, judge, type TraceResult } from './hitratio.ts';

const result = (kind: TraceResult['kind'], tiny: number[], lru: number[]): TraceResult => ({
  ...{ name: 'made', kind, requests: 1000, distinct: 100, sizes: [10, 20] },
  rows: [
    { policy: 'window-tiny-lfu', hitRatios: tiny },
    { policy: 'lru', hitRatios: lru },
  ],
});

test('every size counts, and just met is met; of files nothing is asked', () => {
  const met = (...args: Parameters<typeof result>) => judge([result(...args)]).map(({ isMet }) => isMet);
  assert.deepEqual(met('scans', [0.531, 0.6], [0.5, 0.5]), [true]);
  assert.deepEqual(met('scans', [0.6, 0.52], [0.5, 0.5]), [false]);
  assert.deepEqual(met('recency', [0.491, 0.6], [0.5, 0.5]), [true]);
  assert.deepEqual(met('recency', [0.48, 0.6], [0.5, 0.5]), [false]);
  assert.deepEqual(met(undefined, [0.1, 0.1], [0.5, 0.5]), []);
});

test('a table for each trace', () => {
  const text = formatTraces([result('scans', [0.5, 0.25], [0.1, 0.2])]);
  for (const wanted of ['## made', '| policy | 10 | 20 |', '| window-tiny-lfu | 50.00 | 25.00 |']) {
    assert(text.includes(wanted), wanted);
  }
});
