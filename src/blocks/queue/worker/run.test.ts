import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClaimedJob } from '../job.ts';
import { abortRun, createRun, overdue } from './run.ts';

const CLAIMED: ClaimedJob = {
  jobId: '1',
  workspaceId: '1',
  bucket: 0,
  priority: 0,
  attempts: 0,
  attemptsMax: 3,
  traceparent: undefined,
  payload: null,
  locks: [],
};

test('an attempt is overdue when its time is up, or its last heartbeat too long ago', () => {
  const run = createRun(CLAIMED, 'q', 1000, (of) => {
    of.aliveMs = 1400;
  });
  const limits = { timeoutMs: 1000, heartbeatMs: 500 };
  assert.equal(overdue(run, limits, 1499), undefined);
  assert.equal(overdue(run, limits, 1500), 'no heartbeat for 500 ms');
  run.job.heartbeat();
  assert.equal(overdue(run, limits, 1500), undefined);
  assert.equal(overdue(run, limits, 1900), 'no heartbeat for 500 ms');
  run.job.progress(1);
  assert.equal(overdue(run, { ...limits, heartbeatMs: Number.POSITIVE_INFINITY }, 1999), undefined);
  assert.equal(overdue(run, limits, 2000), 'not finished within 1000 ms');
});

test('progress is a heartbeat with a value, as JSON of at most 1 KiB', () => {
  const signs: (string | undefined)[] = [];
  const { job } = createRun(CLAIMED, 'q', 0, (_, progress) => void signs.push(progress));
  job.progress({ percent: 40 });
  job.progress('x'.repeat(1025));
  job.heartbeat();
  assert.deepEqual(signs, ['{"percent":40}', '"(too large)"', undefined]);
});

test('the first reason to abort stays, whether the signal is asked for before or after', () => {
  const run = createRun(CLAIMED, 'q', 0, () => {});
  const early = run.job.signal;
  assert.equal(early.aborted, false);
  const reason = new Error('late');
  abortRun(run, reason);
  abortRun(run, new Error('stopped'));
  assert.equal(early.reason, reason);
  const asked = createRun(CLAIMED, 'q', 0, () => {});
  abortRun(asked, reason);
  assert.equal(asked.job.signal.reason, reason);
  assert.throws(() => asked.job.heartbeat(), reason);
});
