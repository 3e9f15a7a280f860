/**
 * Each deliberately broken build in the drill that should catch it, and the build that is not broken with the same seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '#base/random';
import {
  acknowledgeBeforeCommit,
  type BrokenBuild,
  promoteWithoutFence,
  relayById,
} from './broken/builds.fixture.ts';
import {
  drillBuild,
  failedClaims,
  GOES_ON,
  LOST,
  NOT_DERIVED,
  NOT_ONCE,
  NOT_ONE_REGISTER,
} from './broken.fixture.ts';
import { formatResult } from './report/report.ts';
import type { Scenario } from './scenario.ts';
import { databaseKilled } from './scenarios/database-killed.ts';
import { primaryLost } from './scenarios/primary-lost.ts';

const SEED = Number(process.env.LOADSTONE_SEED ?? systemRandom.bytes(4).readUInt32LE() % 2 ** 31);
const SECONDS = 12;

const caught: readonly {
  build: BrokenBuild;
  scenario: Scenario;
  ratePerS: number;
  claims: readonly string[];
}[] = [
  {
    build: acknowledgeBeforeCommit,
    scenario: databaseKilled,
    ratePerS: 200,
    claims: [LOST, NOT_ONE_REGISTER],
  },
  {
    build: relayById,
    scenario: databaseKilled,
    // How often two commits overlap grows with the square of it.
    ratePerS: 1000,
    claims: [LOST, NOT_ONCE, NOT_DERIVED],
  },
  { build: promoteWithoutFence, scenario: primaryLost, ratePerS: 100, claims: [GOES_ON] },
];

for (const { build, scenario, ratePerS, claims } of caught) {
  test(`${scenario.name} catches a build where ${build.summary}`, async (t) => {
    t.diagnostic(`seed ${SEED} (the same again: LOADSTONE_SEED=${SEED})`);
    const run = { seed: SEED, seconds: SECONDS, ratePerS, signal: t.signal };
    const sound = await drillBuild(undefined, scenario, run);
    assert.deepEqual(failedClaims(sound), [], formatResult(sound));
    const broken = await drillBuild(build, scenario, run);
    const failed = failedClaims(broken);
    assert.deepEqual(
      claims.filter((claim) => !failed.includes(claim)),
      [],
      formatResult(broken),
    );
    t.diagnostic(`failed as they should: ${failed.join('; ')}`);
  });
}
