import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeAttempt } from './attempt.fixture.ts';
import type { Mark } from './result.ts';
import { divide, faultTimes, faultWindows, recoveryAfter, sliceMsFor, slicesOf } from './timeline.ts';

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
