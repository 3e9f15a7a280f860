/**
 * The universal scalability law (Gunther, "Guerrilla Capacity Planning", 2007): throughput at concurrency N is
 *
 *   X(N) = λN / (1 + σ(N − 1) + κN(N − 1))
 *
 * with λ the throughput of one, σ what is serial (contention), κ what parts pay for agreeing with each other (coherency).
 *
 * Fitted through N/X = (1 + σ(N − 1) + κN(N − 1)) / λ, which is linear in 1/λ, σ/λ and κ/λ: the least squares of the relative
 * deviations, under σ, κ ≥ 0, are found exactly by trying which of the two are 0. Relative ones, because the spread of a
 * throughput grows with it. Rejected: Levenberg–Marquardt on X(N), which needs a start and may end in another minimum.
 *
 * Intervals: each parameter is a ratio of two coefficients of a linear fit, whose interval is known (Fieller, "Some
 * Problems in Interval Estimation", 1954); with Student's t, at 95 %. Rejected, by simulation: the derivatives of the
 * ratio, which held σ in 87 of 100 fits only; a bootstrap, which has no more to draw from than the five or six residuals of a
 * calibration.
 */
import { planCapacityErrors } from './errors.ts';

/** A measured throughput. */
export interface UslPoint {
  /** Requests under way at once, on average: at least 1. */
  concurrency: number;
  perS: number;
}

/** A parameter and the interval that holds the true one in about 19 of 20 fits. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

export interface UslFit {
  /** Throughput at concurrency 1, per second. */
  lambda: Estimate;
  sigma: Estimate;
  kappa: Estimate;
  /** Root of the mean square of relative deviations: how well the law describes the points. */
  deviation: number;
}

type Triple = readonly [number, number, number];
type Matrix = readonly [Triple, Triple, Triple];

const POINTS_MIN = 4;
const PARAMETERS = 3;
/** 0.975 quantiles of Student's t for 1, 2, … degrees of freedom (Abramowitz and Stegun, table 26.10). */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086,
];
/** Beyond the table, within 0.002. */
const studentBeyond = (freedom: number): number => 1.96 + 2.5 / freedom;

function assertPoints(points: readonly UslPoint[]): void {
  for (const { concurrency, perS } of points) {
    const isGood = Number.isFinite(concurrency) && concurrency >= 1 && Number.isFinite(perS) && perS > 0;
    if (isGood) continue;
    throw planCapacityErrors.usl_point_invalid({
      detail: `${perS} per second at concurrency ${concurrency}: allowed are a concurrency of at least 1 and a throughput above 0`,
    });
  }
  const distinct = new Set(points.map(({ concurrency }) => concurrency)).size;
  if (distinct >= POINTS_MIN) return;
  throw planCapacityErrors.usl_points_too_few({
    detail: `measured at ${distinct} concurrencies; a fit with intervals needs ${POINTS_MIN}`,
  });
}

/** What multiplies 1/λ, σ/λ and κ/λ in N/X, each divided by the measured N/X. */
function rowOf({ concurrency, perS }: UslPoint): Triple {
  const inverse = perS / concurrency;
  return [inverse, (concurrency - 1) * inverse, concurrency * (concurrency - 1) * inverse];
}

function multiply(a: Triple, b: Triple): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/** RᵀR of the rows, with unit columns; what is not `used` is left out as a column of the unit matrix. */
function normalMatrix(rows: readonly Triple[], scale: Triple, used: readonly boolean[]): Matrix {
  const entry = (i: number, j: number): number => {
    if (!used[i] || !used[j]) return i === j ? 1 : 0;
    return (
      rows.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0) / ((scale[i] ?? 1) * (scale[j] ?? 1))
    );
  };
  const line = (i: number): Triple => [entry(i, 0), entry(i, 1), entry(i, 2)];
  return [line(0), line(1), line(2)];
}

/** By cofactors. */
function invert([a, b, c]: Matrix): Matrix {
  const cross = (p: Triple, q: Triple): Triple => [
    p[1] * q[2] - p[2] * q[1],
    p[2] * q[0] - p[0] * q[2],
    p[0] * q[1] - p[1] * q[0],
  ];
  const [x, y, z] = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = multiply(a, x);
  const line = (i: 0 | 1 | 2): Triple => [x[i] / determinant, y[i] / determinant, z[i] / determinant];
  return [line(0), line(1), line(2)];
}

interface LinearFit {
  coefficients: Triple;
  squares: number;
}

function fitUsed(rows: readonly Triple[], scale: Triple, used: readonly boolean[]): LinearFit {
  const sum = (i: number) => (used[i] ? rows.reduce((s, row) => s + (row[i] ?? 0), 0) / (scale[i] ?? 1) : 0);
  const target: Triple = [sum(0), sum(1), sum(2)];
  const inverse = invert(normalMatrix(rows, scale, used));
  const solved = inverse.map((line) => multiply(line, target));
  const coefficients = [0, 1, 2].map((i) => (solved[i] ?? 0) / (scale[i] ?? 1)) as unknown as Triple;
  const squares = rows.reduce((s, row) => s + (multiply(row, coefficients) - 1) ** 2, 0);
  return { coefficients, squares };
}

/** The best of the fits in which no parameter is negative. */
function fitWithinBounds(rows: readonly Triple[], scale: Triple): LinearFit | undefined {
  const choices = [
    [true, true, true],
    [true, true, false],
    [true, false, true],
    [true, false, false],
  ];
  return choices
    .map((used) => fitUsed(rows, scale, used))
    .filter(({ coefficients: [a, b, c] }) => a > 0 && b >= 0 && c >= 0)
    .reduce<LinearFit | undefined>(
      (best, each) => (best && best.squares <= each.squares ? best : each),
      undefined,
    );
}

/** What is known of two coefficients of the fit without bounds: their values, and t² times their covariances. */
interface Pair {
  above: number;
  below: number;
  spreadAbove: number;
  spreadBelow: number;
  spreadBoth: number;
}

/**
 * The interval of a ratio of coefficients: all θ with (above − θ·below)² within its spread (Fieller 1954). Widened to hold
 * the bounded fit's value.
 */
function estimateRatio(value: number, pair: Pair): Estimate {
  const { above, below, spreadAbove, spreadBelow, spreadBoth } = pair;
  const square = below ** 2 - spreadBelow;
  if (below <= 0 || square <= 0) {
    throw planCapacityErrors.usl_no_fit({
      detail: 'the measurements scatter so much that the throughput of one could be anything',
    });
  }
  const middle = (above * below - spreadBoth) / square;
  const half = Math.sqrt(Math.max(0, middle ** 2 - (above ** 2 - spreadAbove) / square));
  return {
    value,
    low: Math.max(0, Math.min(value, middle - half)),
    high: Math.max(value, middle + half),
  };
}

/**
 * Fits the law to measured points.
 * @throws usl_points_too_few, usl_point_invalid, usl_no_fit
 */
export function fitUsl(points: readonly UslPoint[]): UslFit {
  assertPoints(points);
  const rows = points.map(rowOf);
  const norm = (i: 0 | 1 | 2) => Math.sqrt(rows.reduce((s, row) => s + row[i] ** 2, 0));
  const scale: Triple = [norm(0), norm(1), norm(2)];
  const fit = fitWithinBounds(rows, scale);
  if (!fit) {
    throw planCapacityErrors.usl_no_fit({
      detail: 'throughput falls so steeply with concurrency that that of one would be infinite',
    });
  }
  const free = fitUsed(rows, scale, [true, true, true]);
  const freedom = points.length - PARAMETERS;
  const student = STUDENT[freedom - 1] ?? studentBeyond(freedom);
  const inverse = invert(normalMatrix(rows, scale, [true, true, true]));
  const spread = (i: 0 | 1 | 2, j: 0 | 1 | 2) =>
    (student ** 2 * (free.squares / freedom) * inverse[i][j]) / (scale[i] * scale[j]);
  const ratioOf = (i: 1 | 2): Estimate =>
    estimateRatio(fit.coefficients[i] / fit.coefficients[0], {
      above: free.coefficients[i],
      below: free.coefficients[0],
      spreadAbove: spread(i, i),
      spreadBelow: spread(0, 0),
      spreadBoth: spread(i, 0),
    });
  const one = { above: 1, spreadAbove: 0, spreadBoth: 0 };
  return {
    lambda: estimateRatio(1 / fit.coefficients[0], {
      ...one,
      below: free.coefficients[0],
      spreadBelow: spread(0, 0),
    }),
    sigma: ratioOf(1),
    kappa: ratioOf(2),
    deviation: Math.sqrt(fit.squares / points.length),
  };
}

type UslParameters = Pick<UslFit, 'lambda' | 'sigma' | 'kappa'>;

/** Throughput per second at a concurrency of at least 1, by the law. */
export function throughputAt({ lambda, sigma, kappa }: UslParameters, concurrency: number): number {
  const others = concurrency - 1;
  return (lambda.value * concurrency) / (1 + sigma.value * others + kappa.value * concurrency * others);
}

/**
 * The concurrency N* = √((1 − σ)/κ) beyond which more of it gives less, and the throughput there. Undefined when there is
 * none: with κ = 0 throughput only comes closer to λ/σ, or grows for ever.
 */
export function peakOf(fit: UslParameters): UslPoint | undefined {
  const [sigma, kappa] = [fit.sigma.value, fit.kappa.value];
  if (kappa === 0) return undefined;
  const concurrency = Math.max(1, Math.sqrt(Math.max(0, 1 - sigma) / kappa));
  return { concurrency, perS: throughputAt(fit, concurrency) };
}
