import assert from 'node:assert/strict';
import test from 'node:test';
import { compare, formatComparison, judge, type Round, type Sample } from './redirects.ts';

function sample(requestsPerS: number, cpuUsPerRequest: number, generatorShare = 0.6): Sample {
  return {
    requests: requestsPerS,
    requestsPerS,
    generatorShare,
    latencyP50Ms: 1,
    latencyP99Ms: 2,
    cpuUsPerRequest,
    postgresUsPerRequest: 0.1,
    serverShare: 1,
  };
}

function round(own: Sample, bare: Sample): Round {
  return { loadstone: own, bare, fastify: sample(50_000, 20) };
}

test('ratios are of the same round, and the median of them decides', () => {
  const rounds = [
    round(sample(90_000, 11), sample(100_000, 10)),
    round(sample(45_000, 22), sample(50_000, 20)),
    round(sample(10_000, 90), sample(100_000, 10)),
  ];
  const bars = judge(compare(rounds));
  assert.deepEqual(
    bars.map(({ isMet }) => isMet),
    [true, true],
  );
  assert.match(bars[0]?.measured ?? '', /^0\.909 \(0\.111–0\.909\)$/);
});

test('below the bar is a failure, by either measure', () => {
  const slow = compare([round(sample(89_000, 11), sample(100_000, 10))]);
  assert.deepEqual(
    judge(slow).map(({ isMet }) => isMet),
    [true, false],
  );
  const dear = compare([round(sample(95_000, 12), sample(100_000, 10))]);
  assert.deepEqual(
    judge(dear).map(({ isMet }) => isMet),
    [false, true],
  );
});

test('a round with a busy generator counts by CPU time only', () => {
  const busy = round(sample(50_000, 10), sample(100_000, 10, 0.95));
  const calm = round(sample(95_000, 10), sample(100_000, 10));
  const mixed = compare([busy, calm]);
  assert.equal(mixed.ratios[0]?.roundsByRequests, 1);
  assert.equal(mixed.ratios[0]?.byRequests?.median, 0.95);
  const bars = judge(compare([busy]));
  assert.equal(bars.length, 1);
  assert.match(bars[0]?.claim ?? '', /CPU time/);
});

const OPTIONS = { rounds: 1, seconds: 8, connections: 64, isQuick: false };

test('a run on a machine that was not quiet says so', () => {
  const disturbed = { ...sample(50_000, 10), serverShare: 0.4 };
  const quiet = formatComparison(compare([round(sample(90_000, 11), sample(100_000, 10))]), OPTIONS);
  const loud = formatComparison(compare([round(disturbed, sample(100_000, 10))]), OPTIONS);
  assert.doesNotMatch(quiet, /not quiet/);
  assert.match(loud, /not quiet/);
});

test('the table names every subject', () => {
  const text = formatComparison(compare([round(sample(90_000, 11), sample(100_000, 10))]), OPTIONS);
  for (const name of ['| loadstone |', '| (a) bare', '| (b) fastify']) assert(text.includes(name), name);
});
