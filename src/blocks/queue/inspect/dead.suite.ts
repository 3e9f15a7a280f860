/**
 * The conformance suite, continued: jobs that have failed for good.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshQueue, makeJob } from '../store.fixture.ts';
import { type Handle, takeOne } from '../worker/handle.fixture.ts';

export function deadSuite(at: () => Handle): void {
  test('of dead jobs with one key the newest rises, and the others stay', async () => {
    const queue = freshQueue();
    const dead = [makeJob(queue, { uniqueKey: 'k' }), makeJob(queue, { uniqueKey: 'k' }), makeJob(queue)];
    for (const job of dead) {
      const { lease } = await takeOne(at(), job);
      const failed = [{ jobId: job.jobId, error: 'boom', retry: undefined }];
      const { lease: left } = await at().completeAndClaim(queue, { lease, failed });
      await at().jobs.leave(queue, left);
    }
    const risen = await at().inspection.redrive(dead, Date.now());
    assert.deepEqual(risen.sort(), [dead[1]?.jobId, dead[2]?.jobId]);
    assert.equal((await at().inspection.find(dead[0]?.jobId ?? ''))?.state, 'dead');
  });

  test('an error that Postgres could not keep as it is does not hold up the turn', async () => {
    const job = makeJob(freshQueue());
    const { lease } = await takeOne(at(), job);
    const error = 'cut in the middle of \ud83d and with a \0';
    await at().completeAndClaim(job.queue, {
      lease,
      failed: [{ jobId: job.jobId, error, retry: undefined }],
    });
    assert.match((await at().inspection.find(job.jobId))?.lastError ?? '', /^cut in the middle of \ufffd/);
  });
}
