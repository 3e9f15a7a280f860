import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProcesses, gainOf, type Round, type Sample } from './processes.ts';

function sampleOf(requestsPerS: number): Sample {
  return {
    ...{ requestsPerS, requests: requestsPerS, generatorShare: 0.5, latencyP50Ms: 1, latencyP99Ms: 2 },
    ...{ serverUs: 15, postgresUs: 3, coresUsed: 1.2 },
  };
}

const roundOf = (one: number, two: number): Round => ({
  1: { redirect: sampleOf(one), create: sampleOf(100) },
  2: { redirect: sampleOf(two), create: sampleOf(150) },
});
const rounds = [roundOf(10, 15), roundOf(10, 20), roundOf(20, 20)];

test('the gain is taken within a round', () => {
  assert.deepEqual(gainOf('redirect', rounds), { median: 1.5, min: 1, max: 2 });
});

test('the table has a row for each route and number of processes', () => {
  const text = formatProcesses(rounds, { rounds: 3, seconds: 8, connections: 64, isQuick: false });
  assert.match(text, /\| redirect, 1 process \| 10 \(10–20\) \|/);
  assert.match(text, /\| create, 2 processes \| 150 \(150–150\) \|/);
});
