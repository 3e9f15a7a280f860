import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { type AccessSamples, createAccessSamples } from './access-samples.ts';

const answered = (samples: AccessSamples) => samples.sample({ status: 302, isRaw: true, hasCaller: false });
const refused = (samples: AccessSamples, status: number, isRaw = false) =>
  samples.sample({ status, isRaw, hasCaller: false });

test('of what raw routes answer one in so many has a line', () => {
  const samples = createAccessSamples(
    { rawSampleEvery: 3, anonymousLinesPerSMax: 1 },
    { clock: createManualClock() },
  );
  const given = Array.from({ length: 7 }, () => answered(samples)?.sampledEvery);
  assert.deepEqual(given, [undefined, undefined, 3, undefined, undefined, 3, undefined]);
  const none = createAccessSamples(
    { rawSampleEvery: 0, anonymousLinesPerSMax: 1 },
    { clock: createManualClock() },
  );
  assert.equal(answered(none), undefined);
});

test('of what anyone can cause, so many lines a second and status, which say what was left out', () => {
  const clock = createManualClock();
  const samples = createAccessSamples({ rawSampleEvery: 1000, anonymousLinesPerSMax: 2 }, { clock });
  const lines = (status: number, count: number) =>
    Array.from({ length: count }, () => refused(samples, status, status === 410)).filter(
      (line) => line !== undefined,
    );
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
    { rawSampleEvery: 0, anonymousLinesPerSMax: 0 },
    { clock: createManualClock() },
  );
  assert.equal(refused(samples, 404), undefined);
});

test('whoever has a key has a line for each answer, but for what raw routes have answered well', () => {
  const samples = createAccessSamples(
    { rawSampleEvery: 2, anonymousLinesPerSMax: 0 },
    { clock: createManualClock() },
  );
  const sample = (status: number, isRaw: boolean) => samples.sample({ status, isRaw, hasCaller: true });
  assert.deepEqual([sample(200, false), sample(404, false), sample(404, true)], [{}, {}, {}]);
  assert.deepEqual([sample(200, true), sample(200, true)], [undefined, { sampledEvery: 2 }]);
});
