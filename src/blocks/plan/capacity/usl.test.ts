import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { type Random, seededRandom } from '#base/random';
import { type Estimate, fitUsl, peakOf, throughputAt, type UslPoint } from './usl.ts';

const exactly = (value: number): Estimate => ({ value, low: value, high: value });

interface Law {
  lambda: number;
  sigma: number;
  kappa: number;
}

const asFit = ({ lambda, sigma, kappa }: Law) => ({
  lambda: exactly(lambda),
  sigma: exactly(sigma),
  kappa: exactly(kappa),
});

const CONCURRENCIES = [1, 2, 4, 8, 16, 32];

const pointsOf = (law: Law): UslPoint[] =>
  CONCURRENCIES.map((concurrency) => ({ concurrency, perS: throughputAt(asFit(law), concurrency) }));

/** Normally distributed (Box and Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction());
}

/** Points whose logarithms are off by `spread`. */
function disturbed(law: Law, seed: number, spread: number): UslPoint[] {
  const random = seededRandom(seed);
  return pointsOf(law).map(({ concurrency, perS }) => ({
    concurrency,
    perS: perS * Math.exp(spread * normal(random)),
  }));
}

const holds = ({ low, high }: Estimate, value: number): boolean => low <= value && value <= high;

const isNear = (actual: number, expected: number, share: number): boolean =>
  Math.abs(actual - expected) <= share * Math.max(Math.abs(expected), 1e-9);

const laws = fc.record({
  lambda: fc.double({ min: 1, max: 100_000, noNaN: true }),
  sigma: fc.double({ min: 0.001, max: 1.2, noNaN: true }),
  kappa: fc.double({ min: 0.0001, max: 0.05, noNaN: true }),
});

const codeOf = (points: readonly UslPoint[]): string | undefined => {
  try {
    fitUsl(points);
    return undefined;
  } catch (error) {
    assert(isLoadstoneError(error), String(error));
    return error.code;
  }
};

describe('the fit', () => {
  test('finds the law again that has made the points', () => {
    fc.assert(
      fc.property(laws, (law) => {
        const fit = fitUsl(pointsOf(law));
        assert(isNear(fit.lambda.value, law.lambda, 1e-6));
        assert(isNear(fit.sigma.value, law.sigma, 1e-6));
        assert(isNear(fit.kappa.value, law.kappa, 1e-6));
        assert(fit.deviation < 1e-6);
      }),
    );
  });

  test('has no parameter below 0, and intervals around its values; or is refused', () => {
    fc.assert(
      fc.property(laws, fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (law, seed, spread) => {
        const points = disturbed(law, seed, spread);
        const code = codeOf(points);
        assert(code === undefined || code === 'usl_no_fit', code);
        if (code !== undefined) return;
        const fit = fitUsl(points);
        for (const { value, low, high } of [fit.lambda, fit.sigma, fit.kappa]) {
          assert(value >= 0 && low >= 0 && low <= value && value <= high, JSON.stringify(fit));
          assert(Number.isFinite(high));
        }
      }),
    );
  });

  test('no other parameters within the bounds come nearer to the points', () => {
    fc.assert(
      fc.property(laws, fc.integer(), laws, (law, seed, other) => {
        const points = disturbed(law, seed, 0.05);
        const squaresOf = (fit: ReturnType<typeof asFit>): number =>
          points.reduce(
            (sum, { concurrency, perS }) => sum + (perS / throughputAt(fit, concurrency) - 1) ** 2,
            0,
          );
        const best = squaresOf(fitUsl(points));
        for (const candidate of [law, other, { ...law, kappa: 0 }, { ...law, sigma: 0 }]) {
          assert(best <= squaresOf(asFit(candidate)) * (1 + 1e-6) + 1e-12);
        }
      }),
    );
  });

  for (const law of [
    { lambda: 1800, sigma: 0.2, kappa: 0.002 },
    { lambda: 20_000, sigma: 0.6, kappa: 0.0001 },
    { lambda: 500, sigma: 0.05, kappa: 0 },
    { lambda: 500, sigma: 0, kappa: 0 },
  ]) {
    test(`its intervals hold the true parameters in at least 92 of 100 fits: ${JSON.stringify(law)}`, () => {
      const runs = 1000;
      const held = { lambda: 0, sigma: 0, kappa: 0 };
      for (let seed = 0; seed < runs; seed++) {
        const fit = fitUsl(disturbed(law, seed, 0.05));
        if (holds(fit.lambda, law.lambda)) held.lambda += 1;
        if (holds(fit.sigma, law.sigma)) held.sigma += 1;
        if (holds(fit.kappa, law.kappa)) held.kappa += 1;
      }
      for (const [name, count] of Object.entries(held)) {
        assert(count >= 0.92 * runs, `${name}: ${count} of ${runs}`);
      }
    });
  }

  test('what cannot be fitted is refused with a code', () => {
    const good = pointsOf({ lambda: 100, sigma: 0.1, kappa: 0.001 });
    const three = good.slice(0, 3);
    assert.equal(codeOf([]), 'usl_points_too_few');
    assert.equal(codeOf(three), 'usl_points_too_few');
    assert.equal(codeOf([...three, ...three]), 'usl_points_too_few');
    for (const bad of [
      { concurrency: 0, perS: 1 },
      { concurrency: Number.NaN, perS: 1 },
      { concurrency: 2, perS: 0 },
      { concurrency: 2, perS: Number.POSITIVE_INFINITY },
    ]) {
      assert.equal(codeOf([...good, bad]), 'usl_point_invalid');
    }
  });
});

describe('the peak', () => {
  test('no concurrency gives more', () => {
    fc.assert(
      fc.property(laws, fc.double({ min: 1, max: 1000, noNaN: true }), (law, concurrency) => {
        const peak = peakOf(asFit(law));
        assert(peak);
        assert(throughputAt(asFit(law), concurrency) <= peak.perS * (1 + 1e-9));
      }),
    );
  });

  test('there is none without coherency', () => {
    assert.equal(peakOf(asFit({ lambda: 100, sigma: 0.1, kappa: 0 })), undefined);
  });

  test('it is where Gunther has it', () => {
    const peak = peakOf(asFit({ lambda: 1, sigma: 0.02, kappa: 0.0005 }));
    assert.equal(peak?.concurrency.toFixed(2), '44.27');
  });
});
