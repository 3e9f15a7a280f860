import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatKnees, judge, type Prediction, type Round, score } from './knee.ts';

const exactly = (value: number) => ({ value, low: value, high: value });

function predictionOf(perS: number): Prediction {
  return {
    ...{ perS, capacityPerS: perS * 1.1, utilisation: 0.91, calibratedPerS: perS * 0.9, points: [] },
    scalability: { lambda: exactly(1), sigma: exactly(0.5), kappa: exactly(0.001), deviation: 0.02 },
  };
}

const trial = {
  ...{ ratePerS: 1, isHeld: true, withinShare: 1, latencyP50Ms: 1, latencyP99Ms: 2, generatorShare: 0.4 },
};
const roundOf = (redirect: number, create: number): Round => ({
  redirect: { perS: redirect, trials: [trial] },
  create: { perS: create, trials: [trial] },
});

const predictions = { redirect: predictionOf(50_000), create: predictionOf(1000) };
const rounds = [roundOf(40_000, 700), roundOf(42_000, 700), roundOf(30_000, 800)];

test('an error is a share of what was measured, by its median', () => {
  const { measured, error, calibratedError } = score('redirect', predictions, rounds);
  assert.equal(measured.median, 40_000);
  assert.equal(error, 0.25);
  assert(Math.abs(calibratedError - 0.125) < 1e-9);
});

test('the bar is 25 % either way', () => {
  assert.deepEqual(
    judge(predictions, rounds).map(({ isMet }) => isMet),
    [true, false],
  );
});

test('the text has all numbers', () => {
  const text = formatKnees({ rule: { withinMs: 100, shareMin: 0.99 }, predictions }, rounds, {
    rounds: 3,
    seconds: 8,
    connections: 64,
    isQuick: false,
  });
  assert.match(
    text,
    /\| redirect \| 50,000 \| 40,000 \(30,000–42,000\) \| \+25\.0 % \| 45,000 \(\+12\.5 %\) \|/,
  );
  assert.match(text, /\| create \| 1,000 \| 700 \(700–800\) \| \+42\.9 % \|/);
  assert.match(text, /used to 40 % at most/);
});
