/**
 * One of the drills of broken.long.ts, as short as it can be.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acknowledgeBeforeCommit } from './broken/builds.fixture.ts';
import { drillBuild, failedClaims, LOST, NOT_ONE_REGISTER } from './broken.fixture.ts';
import { verdictOf } from './result.ts';
import { databaseKilled } from './scenarios/database-killed.ts';

test('the drill that kills the database catches a build that acknowledges before it commits', async (t) => {
  const run = { seed: 7, seconds: 6, ratePerS: 200, signal: t.signal };
  const result = await drillBuild(acknowledgeBeforeCommit, databaseKilled, run);
  const failed = failedClaims(result);
  assert(failed.includes(LOST) && failed.includes(NOT_ONE_REGISTER), failed.join('\n'));
  assert.equal(verdictOf(result), 'failed', 'however busy this machine is');
});
