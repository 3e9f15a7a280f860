/**
 * How far a predicted knee was from the measured one: pure.
 */
import { formatWhole } from '#base/values/numbers';
import type { KneeRule, RateTrial } from '#blocks/load';
import type { KneePrediction, UslFit, UslPoint } from '#blocks/plan';
import type { Bar, BenchOptions } from '../bench.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';

export interface Prediction extends KneePrediction {
  scalability: UslFit;
  points: readonly UslPoint[];
  /** The knee that calibrate itself has found. */
  calibratedPerS: number;
}

export interface MeasuredKnee {
  perS: number;
  trials: readonly RateTrial[];
}

export interface Predictions {
  redirect: Prediction;
  create: Prediction;
}

export interface Round {
  redirect: MeasuredKnee;
  create: MeasuredKnee;
}

const ERROR_MAX = 0.25;
const ROUTES = ['redirect', 'create'] as const;
type Route = (typeof ROUTES)[number];

interface Score {
  predictedPerS: number;
  calibratedPerS: number;
  measured: Summary;
  /** Of the prediction, as a share of what was measured; above 0 it promised too much. */
  error: number;
  /** The same of calibrate's own knee. */
  calibratedError: number;
}

export function score(route: Route, predictions: Predictions, rounds: readonly Round[]): Score {
  const { perS, calibratedPerS } = predictions[route];
  const measured = summarize(rounds.map((round) => round[route].perS));
  return {
    ...{ predictedPerS: perS, calibratedPerS, measured },
    error: perS / measured.median - 1,
    calibratedError: calibratedPerS / measured.median - 1,
  };
}

const percent = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)} %`;

export function judge(predictions: Predictions, rounds: readonly Round[]): Bar[] {
  return ROUTES.map((route) => {
    const { predictedPerS, measured, error } = score(route, predictions, rounds);
    return {
      claim: `${route}: the predicted knee within ${ERROR_MAX * 100} % of the measured one`,
      measured: `${formatWhole(predictedPerS)} predicted, ${formatSummary(measured, 0)} measured, ${percent(error)}`,
      isMet: Math.abs(error) <= ERROR_MAX,
    };
  });
}

export function formatKnees(
  predicted: { rule: KneeRule; predictions: Predictions; writtenAt?: string },
  rounds: readonly Round[],
  { seconds, connections }: BenchOptions,
): string {
  const { rule, predictions, writtenAt } = predicted;
  const rows = ROUTES.map((route) => {
    const { predictedPerS, measured, error, calibratedPerS, calibratedError } = score(
      route,
      predictions,
      rounds,
    );
    const { lambda, sigma, kappa, deviation } = predictions[route].scalability;
    return `| ${[
      route,
      formatWhole(predictedPerS),
      formatSummary(measured, 0),
      percent(error),
      `${formatWhole(calibratedPerS)} (${percent(calibratedError)})`,
      `${formatWhole(lambda.value)}, ${sigma.value.toFixed(3)}, ${kappa.value.toFixed(6)}`,
      percent(deviation).replace('+', ''),
    ].join(' | ')} |`;
  });
  const shares = rounds.flatMap((round) =>
    ROUTES.flatMap((route) => round[route].trials.map(({ generatorShare }) => generatorShare)),
  );
  return `The knee: the highest rate, of Poisson arrivals, at which ${rule.shareMin * 100} % of the requests are answered well within ${rule.withinMs} ms of their intended time. Medians (and least–most) of ${rounds.length} searches, each rate held for ${(seconds / 2).toFixed(1)} s.

| route | predicted, requests/s | measured, requests/s | error | the knee that calibrate had found | λ, σ, κ | the law's deviation from its points |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

The prediction was written${writtenAt === undefined ? '' : ` at ${writtenAt}`}, before the measurement: capacity by the universal scalability law at ${connections} connections, times the utilisation at which the queue in front of it brings the 99th percentile to the bound. Measured on a fresh installation, with 10,000 links instead of calibrate's, drawn at random. Server and Postgres on one core, the generator on another, which it used to ${formatWhole(Math.max(...shares) * 100)} % at most.`;
}
