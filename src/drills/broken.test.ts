/**
 * One of the drills of broken.long.ts, as short as it can be, of two systems: one of them from outside.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { acknowledgeBeforeCommit } from './broken/builds.fixture.ts';
import { drillBuild, failedClaims, LOST, NOT_ONE_REGISTER } from './broken.fixture.ts';
import { verdictOf } from './report/result.ts';
import { databaseKilled } from './scenarios/database-killed.ts';

const NOTES = join(import.meta.dirname, '..', '..', 'examples', 'notes');

test('the drill that kills the database catches a build that acknowledges before it commits', async (t) => {
  const systems = [...SYSTEMS_DEFAULT, NOTES];
  const run = { seed: 7, seconds: 6, ratePerS: 200, systems, signal: t.signal };
  const result = await drillBuild(acknowledgeBeforeCommit, databaseKilled, run);
  const failed = failedClaims(result);
  assert(failed.includes(LOST) && failed.includes(NOT_ONE_REGISTER), failed.join('\n'));
  const lost = result.checks.find(({ claim }) => claim === LOST)?.detail ?? '';
  assert.match(lost, /^links: .*; notes: /);
  assert.equal(verdictOf(result), 'failed', 'however busy this machine is');
});
