/**
 * A real drill, short and slow enough for a busy machine, of two systems at once: one of them from outside.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { drillOnce } from './drills.fixture.ts';
import { verdictOf } from './report/result.ts';
import { quick } from './scenarios/quick.ts';

const NOTES = join(import.meta.dirname, '..', '..', 'examples', 'notes');

test('one of two processes is killed, then the database: all that was acknowledged is there', {
  skip: process.platform !== 'linux' && 'drills need /proc',
}, async (t) => {
  const scenario = { ...quick, timeoutMs: 20_000 };
  const systems = [...SYSTEMS_DEFAULT, NOTES];
  const { result, history, requests } = await drillOnce(t, scenario, { seconds: 6, ratePerS: 40, systems });
  // How long things take is the machine's own.
  const failed = result.checks.filter(({ passed, isTimed }) => !passed && !isTimed);
  assert.deepEqual(failed, []);
  assert.equal(result.found, result.acknowledged);
  assert(result.acknowledged > 100);
  const [lost] = result.checks;
  assert.match(lost?.detail ?? '', /^links: \d+ writes acknowledged.*; notes: [1-9]\d+ writes acknowledged/);
  for (const route of ['createLink', 'followLink', 'addNote', 'getNote']) assert(requests[route], route);
  assert.deepEqual(
    result.marks.filter(({ kind }) => kind === 'fault').map(({ text }) => text.replace(/pid \d+/, 'pid N')),
    ['kill -9 of pid N, one of 2 that serve', 'kill -9 of the postmaster, pid N'],
  );
  const sent = Object.values(requests).reduce(
    (sum, { ok, refused, unknown }) => sum + ok + refused + unknown,
    0,
  );
  assert(history.operations.length >= sent);
  const { ownShare, foreignShare, stealShare } = result.machine;
  assert(ownShare > 0 && ownShare + foreignShare + stealShare <= 1 + 1e-9);
  assert.notEqual(verdictOf(result), 'invalid');
});
