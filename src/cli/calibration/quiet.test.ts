/**
 * A point that others disturb is measured again, for a while, and marked where it stays disturbed.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createManualClock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { defaultCalibration } from '#blocks/plan';
import { judgeQuality } from './calibrate.ts';
import { createQuiet } from './quiet.ts';
import { renderCalibration } from './text.ts';

const POINT_MS = 400;

/** Of a machine on which others have these shares, point after point. */
function measureWith(shares: readonly number[], repeatMsMax = 60_000) {
  const clock = createManualClock();
  let points = 0;
  const report = () => ({
    ...{ cores: 2, foreignShare: shares[points - 1] ?? 0, stealShare: 0, ownShare: 0.5, worstShare: 0 },
    ...{ lateP99Ms: 0, lateMaxMs: 0 },
  });
  const quiet = createQuiet({ repeatMsMax }, { clock, machine: { report } });
  const point = (name: string) =>
    quiet.run(name, async () => {
      clock.advance(POINT_MS);
      points += 1;
      return points;
    });
  return { quiet, point };
}

describe('a point', () => {
  test('of a quiet machine is measured once', async () => {
    const { quiet, point } = measureWith([0.02, 0.1]);
    assert.deepEqual([await point('read'), await point('read')], [1, 2]);
    assert.deepEqual(quiet.report(), { othersShareMax: 0.1, repeated: 0, disturbed: [], contradictions: [] });
  });

  test('that is disturbed is measured again, and the quiet one counts', async () => {
    const { quiet, point } = measureWith([0.6, 0.05]);
    assert.equal(await point('read'), 2);
    assert.deepEqual(quiet.report().disturbed, []);
    assert.equal(quiet.report().repeated, 1);
  });

  test('that stays disturbed is the least disturbed of three, and marked', async () => {
    const { quiet, point } = measureWith([0.6, 0.3, 0.5, 0.01]);
    assert.equal(await point('create'), 2);
    assert.equal(await point('list'), 4);
    assert(quiet.isDisturbed('create') && !quiet.isDisturbed('list'));
    assert.equal(quiet.report().othersShareMax, 0.3);
  });

  test('is measured again only until the time for that is over', async () => {
    const { quiet, point } = measureWith(
      Array.from({ length: 100 }, () => 0.9),
      3 * POINT_MS,
    );
    for (let n = 0; n < 20; n++) await point('create');
    assert.equal(quiet.report().repeated, 3);
  });
});

describe('what contradicts itself', () => {
  const { routes } = defaultCalibration;
  const redirectMiss = { ...routes.redirectMiss, kneePerS: routes.redirectHit.kneePerS * 3 };
  const { quality: _, ...shipped } = defaultCalibration;
  const wrong = { ...shipped, routes: { ...routes, redirectMiss } };
  const quality = { othersShareMax: 0.45, repeated: 7, disturbed: ['redirectHit'] };

  test('is refused where others were busy, and says how much', () => {
    assert.throws(
      () => judgeQuality(wrong, quality),
      (error) =>
        isLoadstoneError(error) &&
        error.code === 'calibration_failed' &&
        /others had up to 45 % of the cores, and .* the knee of redirectMiss/.test(error.message),
    );
  });

  test('is marked where nobody was', () => {
    const kept = judgeQuality(wrong, { ...quality, disturbed: [] });
    assert.equal(kept.quality?.contradictions.length, 1);
    assert.match(renderCalibration(kept), /\n!: the knee of redirectMiss is /);
  });

  test('what was only disturbed is marked in the table', () => {
    const text = renderCalibration(judgeQuality(shipped, quality));
    assert.match(text, /\nredirectHit ~ +[\d,]+/);
    assert.match(text, /\nread +[\d,]+/);
    assert.match(text, /\n~: other processes, or the host, had up to 45 % of the cores/);
  });
});
