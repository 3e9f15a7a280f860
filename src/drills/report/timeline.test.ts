import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { makeAttempt } from '../load/attempt.fixture.ts';
import type { Mark } from './result.ts';
import {
  divide,
  faultTimes,
  faultWindows,
  mergeSpans,
  recoveryAfter,
  sliceMsFor,
  slicesOf,
} from './timeline.ts';

const ZERO_MS = 50_000;
const at = (atMs: number, own: Parameters<typeof makeAttempt>[0] = {}) =>
  makeAttempt({ intendedMs: ZERO_MS + atMs, sentMs: ZERO_MS + atMs, endedMs: ZERO_MS + atMs + 10, ...own });
const failed = (atMs: number) => at(atMs, { isFailure: true, outcome: 'refused', status: 503 });
const mark = (kind: Mark['kind'], atMs: number): Mark => ({ kind, atMs, text: '' });
const load = { zeroMs: ZERO_MS, durationMs: 10_000 };

describe('slices', () => {
  test('count by intended time, and a refusal for a good reason is an answer like any other', () => {
    const attempts = [
      at(0),
      at(99, { outcome: 'refused', status: 412 }),
      failed(100),
      at(150, { isFailure: true, outcome: 'unknown' }),
      at(199, { endedMs: ZERO_MS + 299 }),
    ];
    const slices = slicesOf(attempts, { zeroMs: ZERO_MS, durationMs: 300, sliceMs: 100 });
    assert.deepEqual(
      slices.map(({ ok, refused, unknown }) => [ok, refused, unknown]),
      [
        [2, 0, 0],
        [1, 1, 1],
        [0, 0, 0],
      ],
    );
    assert.equal(slices[1]?.latencyP99Ms, 100);
  });

  test('there are never many more than a plot can show', () => {
    assert.equal(sliceMsFor(1000), 100);
    assert.equal(sliceMsFor(3_600_000), 30_000);
  });
});

describe('recovery', () => {
  test('is the first second without a failure', () => {
    assert.equal(recoveryAfter(1000, [], 10_000), 0);
    assert.equal(recoveryAfter(1000, [500], 10_000), 0, 'what failed before the heal');
    assert.equal(recoveryAfter(1000, [1200, 1900], 10_000), 900);
    assert.equal(recoveryAfter(1000, [1200, 2500], 10_000), 200, 'a later failure is another matter');
  });

  test('has not come where the load ends before', () => {
    assert.equal(recoveryAfter(1000, [1200, 2000, 2900], 3500), undefined);
    assert.equal(recoveryAfter(9500, [], 10_000), undefined);
  });

  test('each fault is healed by the next heal, or by itself', () => {
    const marks = [mark('fault', 1000), mark('process', 1500), mark('fault', 4000), mark('heal', 6000)];
    const ended = [mark('fault', 7000), mark('process', 7500), mark('heal', 8000), mark('heal', 9000)];
    assert.deepEqual(faultTimes([...marks, ...ended]), [
      { fromMs: 1000, healedMs: 1000 },
      { fromMs: 4000, healedMs: 6000 },
      { fromMs: 7000, healedMs: 8000 },
    ]);
  });

  test('a second fault before the heal is a part of the first', () => {
    const marks = [mark('fault', 1000), mark('note', 1100), mark('fault', 1500), mark('heal', 6000)];
    assert.deepEqual(faultTimes(marks), [{ fromMs: 1000, healedMs: 6000 }]);
    const [window] = faultWindows([failed(1200), failed(1600), failed(5900)], marks, load);
    assert.deepEqual(window, {
      ...{ fromMs: 1000, healedMs: 6000, recoveredMs: 0, endMs: 6000, failed: 3, requests: 3 },
    });
  });
});

describe('the window of a fault', () => {
  const marks = [mark('fault', 3000), mark('heal', 5000)];

  test('goes on until recovery, and counts what failed in it', () => {
    const attempts = [at(1000), failed(3100), failed(5200), at(5300), at(8000)];
    const windows = faultWindows(attempts, marks, load);
    assert.deepEqual(windows, [
      { fromMs: 3000, healedMs: 5000, recoveredMs: 200, endMs: 5200, failed: 2, requests: 2 },
    ]);
    const { outside } = divide(attempts, windows, ZERO_MS);
    assert.deepEqual(
      outside.filter(({ isFailure }) => isFailure),
      [],
    );
  });

  test('a failure before it or after recovery is outside, one that was under way when it came is not', () => {
    const waiting = at(1200, { isFailure: true, outcome: 'unknown', endedMs: ZERO_MS + 3050 });
    const attempts = [failed(500), waiting, failed(3100), failed(9000)];
    const { outside } = divide(attempts, faultWindows(attempts, marks, load), ZERO_MS);
    assert.deepEqual(
      outside.map(({ intendedMs }) => intendedMs - ZERO_MS),
      [500, 9000],
    );
  });
});

describe('faults that overlap', () => {
  const time = fc.integer({ min: 0, max: 10_000 });
  const span = fc.tuple(time, time).map(([a, b]) => ({ fromMs: Math.min(a, b), endMs: Math.max(a, b) }));
  const spans = fc.array(span, { maxLength: 8 });
  const request = fc
    .record({ atMs: time, tookMs: fc.integer({ min: 0, max: 6000 }), isFailure: fc.boolean() })
    .map(({ atMs, tookMs, isFailure }) => at(atMs, { endedMs: ZERO_MS + atMs + tookMs, isFailure }));

  test('are one stretch, and what was under way in both is counted once', () => {
    const both = [
      { fromMs: 1000, endMs: 5000 },
      { fromMs: 3000, endMs: 4000 },
      { fromMs: 5000, endMs: 6000 },
      { fromMs: 8000, endMs: 9000 },
    ];
    assert.deepEqual(mergeSpans(both), [
      { fromMs: 1000, endMs: 6000 },
      { fromMs: 8000, endMs: 9000 },
    ]);
    const { inside, outside } = divide([failed(3500), failed(6500)], both, ZERO_MS);
    assert.deepEqual([inside.length, outside.length], [1, 1]);
  });

  test('merged they are in order and apart, hold every moment of each and no other, and merging again changes nothing', () => {
    fc.assert(
      fc.property(spans, time, (given, atMs) => {
        const merged = mergeSpans(given);
        for (const [index, { fromMs, endMs }] of merged.entries()) {
          assert(fromMs <= endMs && fromMs > (merged[index - 1]?.endMs ?? -1));
        }
        const isIn = (some: typeof given) =>
          some.some(({ fromMs, endMs }) => atMs >= fromMs && atMs <= endMs);
        assert.equal(isIn(merged), isIn(given));
        assert.deepEqual(mergeSpans(merged), merged);
        assert.deepEqual(mergeSpans(given.toReversed()), merged);
      }),
    );
  });

  test('each request is inside or outside, and never both', () => {
    fc.assert(
      fc.property(spans, fc.array(request, { maxLength: 40 }), (given, attempts) => {
        const { inside, outside } = divide(attempts, given, ZERO_MS);
        assert.equal(inside.length + outside.length, attempts.length);
        assert(inside.every((attempt) => !outside.includes(attempt)));
      }),
    );
  });

  test('of marks in any order, all windows end where they may, and count no more than there is', () => {
    const marks = fc.array(
      fc.record({ kind: fc.constantFrom<Mark['kind'][]>('fault', 'heal', 'process', 'note'), atMs: time }),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(marks, fc.array(request, { maxLength: 40 }), (given, attempts) => {
        const inOrder = given.map((each) => ({ ...each, text: '' })).sort((a, b) => a.atMs - b.atMs);
        for (const window of faultWindows(attempts, inOrder, load)) {
          const { fromMs, healedMs, endMs, recoveredMs = 0, failed: failures, requests } = window;
          assert(fromMs <= healedMs && healedMs <= endMs && recoveredMs >= 0, JSON.stringify(window));
          assert(failures <= requests && requests <= attempts.length);
        }
      }),
    );
  });
});
