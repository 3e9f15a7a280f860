import assert from 'node:assert/strict';
import test from 'node:test';
import { differenceOf, formatResults, judge, type Results, type Sample } from './mutations.ts';

const NAMES = ['full', 'noKey', 'noTtl', 'eight', 'bare', 'hot', 'hundred'];

function sample(serverUs: number): Sample {
  return {
    ...{ requests: 4000, requestsPerS: 1000, generatorShare: 0.2, latencyP50Ms: 9, latencyP99Ms: 20 },
    ...{ serverUs, appUs: 100, systemUs: 50, otherUs: 5, walBytes: 2000, walPages: 0.1, walSyncs: 0.3 },
    ...{ serverShare: 0.9, postgresShare: 0.5, waiting: 3 },
    activity: { running: 1, waitsForDisk: 2, waitsForLock: 0, waitsForClient: 3, idle: 4 },
  };
}

function results(waits: number[]): Results {
  const round = Object.fromEntries(NAMES.map((name, i) => [name, sample(300 - 10 * i)]));
  const other = Object.fromEntries(NAMES.map((name, i) => [name, sample(310 - 30 * i)]));
  return {
    rounds: [round, other],
    subjects: NAMES.map((name) => ({ name, label: `the subject ${name}` })),
    roundTrips: { waits, statements: waits.map(() => 7) },
  };
}

test('one mutation with a fourth round trip misses the bar', () => {
  assert.equal(judge(results([3, 3, 2])).at(-1)?.isMet, true);
  assert.equal(judge(results([3, 3, 4])).at(-1)?.isMet, false);
});

test('a mutation is judged by what share it does of bare inserts in the same round', () => {
  const given = results([3]);
  const met = (requestsPerS: number) => {
    const rounds = given.rounds.map((round) => ({ ...round, noTtl: { ...sample(300), requestsPerS } }));
    return judge({ ...given, rounds })[0];
  };
  assert.deepEqual([met(800)?.isMet, met(799)?.isMet], [true, false]);
  assert.equal(met(800)?.measured, '0.80 (0.80–0.80)');
});

test('what a part costs is the difference within each round', () => {
  const { rounds } = results([3]);
  const cost = differenceOf(rounds, ['full', 'noKey'], ({ serverUs }) => serverUs);
  assert.deepEqual(cost, { median: 20, min: 10, max: 30 });
});

test('the text names every subject, and has no number that is none', () => {
  const options = { rounds: 2, seconds: 8, connections: 32, isQuick: false };
  const text = formatResults(results([3]), options, 4);
  for (const name of NAMES) assert(text.includes(`the subject ${name}`), name);
  assert(text.includes('| Idempotency-Key | 20 (10–30) |'));
  assert(!/NaN|undefined/.test(text));
});
