/**
 * A real drill, short and slow enough for a busy machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drillOnce } from './drills.fixture.ts';
import { verdictOf } from './result.ts';
import { quick } from './scenarios/quick.ts';

test('one of two processes is killed, then the database: all that was acknowledged is there', {
  skip: process.platform !== 'linux' && 'drills need /proc',
}, async (t) => {
  const scenario = { ...quick, timeoutMs: 20_000 };
  const { result, history, requests } = await drillOnce(t, scenario, { seconds: 6, ratePerS: 40 });
  // How long things take is the machine's own.
  const failed = result.checks.filter(({ passed, isTimed }) => !passed && !isTimed);
  assert.deepEqual(failed, []);
  assert.equal(result.found, result.acknowledged);
  assert(result.acknowledged > 100);
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
