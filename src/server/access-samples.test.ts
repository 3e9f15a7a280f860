import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { createAccessSamples } from './access-samples.ts';

test('of redirects one in so many has a line', () => {
  const samples = createAccessSamples(
    { hotSampleEvery: 3, anonymousLinesPerSMax: 1 },
    { clock: createManualClock() },
  );
  const given = Array.from({ length: 7 }, () => samples.redirect()?.sampledEvery);
  assert.deepEqual(given, [undefined, undefined, 3, undefined, undefined, 3, undefined]);
  const none = createAccessSamples(
    { hotSampleEvery: 0, anonymousLinesPerSMax: 1 },
    { clock: createManualClock() },
  );
  assert.equal(none.redirect(), undefined);
});

test('of what anyone can cause, so many lines a second and status, which say what was left out', () => {
  const clock = createManualClock();
  const samples = createAccessSamples({ hotSampleEvery: 1000, anonymousLinesPerSMax: 2 }, { clock });
  const lines = (status: number, count: number) =>
    Array.from({ length: count }, () => samples.anonymous(status)).filter((line) => line !== undefined);
  assert.deepEqual(lines(404, 5000), [{}, {}]);
  assert.deepEqual(lines(410, 1), [{}], 'another status has its own');
  clock.advance(999);
  assert.deepEqual(lines(404, 1), []);
  clock.advance(1);
  assert.deepEqual(lines(404, 10), [{ leftOut: 4999 }, {}]);
  clock.advance(60_000);
  assert.deepEqual(lines(404, 1), [{ leftOut: 8 }]);
  assert.deepEqual(lines(404, 1), [{}]);
});

test('none at all, where none are wanted', () => {
  const samples = createAccessSamples(
    { hotSampleEvery: 0, anonymousLinesPerSMax: 0 },
    { clock: createManualClock() },
  );
  assert.equal(samples.anonymous(404), undefined);
});
