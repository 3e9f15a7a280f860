/**
 * The conformance suite of the ports: every engine passes it.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { deadSuite } from './inspect/dead.suite.ts';
import type { ClaimedJob, PreparedJob } from './job.ts';
import { freshQueue, makeJob, makeTurn, type SuiteStores, scoreAt } from './store.fixture.ts';
import { createHandle, type Handle, takeOne } from './worker/handle.fixture.ts';

const ids = (jobs: readonly { jobId: string }[]) => jobs.map(({ jobId }) => jobId);
const done = (jobs: readonly ClaimedJob[]) => jobs.map(({ jobId }) => ({ jobId, result: undefined }));

/** @param start stores on an empty database */
export function jobStoreSuite(name: string, start: () => Promise<SuiteStores>): void {
  describe(`${name} jobs`, () => {
    let at: Handle;
    before(async () => {
      at = createHandle(await start());
    });
    const handle = () => at;
    enqueueSuite(handle);
    uniqueSuite(handle);
    lineSuite(handle);
    leaseSuite(handle);
    endSuite(handle);
    deadSuite(handle);
    keySuite(handle);
    rateSuite(handle);
    handSuite(handle);
    upkeepSuite(handle);
  });
}

function enqueueSuite(at: () => Handle): void {
  test('a job arrives as it was written, alone and in a run of jobs that are alike', async () => {
    const payloads = ['"\\u0000 \\ud800 \\\\ {,}\\""', '[1,"é\u2028😀",null]', '{"a":{"b":[]}}'];
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    for (const count of [1, 40]) {
      const queue = freshQueue();
      const written = Array.from({ length: count }, (_, i) =>
        makeJob(queue, { priority: 4, attemptsMax: 9, traceparent, payload: payloads[i % 3]! }),
      );
      await at().insert(...written);
      const { jobs, payloadLength } = await at().completeAndClaim(queue, { want: 100 });
      assert.deepEqual(
        jobs,
        written.map(({ jobId, workspaceId, bucket, payload }) => ({
          jobId,
          workspaceId,
          bucket,
          priority: 4,
          attempts: 0,
          attemptsMax: 9,
          traceparent,
          payload: JSON.parse(payload),
          locks: [],
        })),
      );
      assert(payloadLength >= written.reduce((sum, { payload }) => sum + payload.length, 0));
      const stored = await at().inspection.find(written[0]!.jobId);
      assert.equal(stored?.state, 'running');
      assert.equal(stored?.runAtMs, written[0]!.runAtMs);
    }
  });

  test('what is enqueued does not exist before the commit, nor after a rollback', async () => {
    const queue = freshQueue();
    const job = makeJob(queue);
    const failed = at().transact(async (tx) => {
      await at().jobs.insert(tx, [job]);
      assert.deepEqual(await at().take(queue, 1), []);
      throw new Error('no');
    });
    await assert.rejects(failed, /no/);
    assert.equal(await at().state(job.jobId), undefined);
  });

  test('jobs written alone are there, or none of them is', async () => {
    const queue = freshQueue();
    const alike = Array.from({ length: 20 }, () => makeJob(queue));
    assert.equal(await at().jobs.insertAlone(alike), true);
    const unique = [makeJob(queue, { uniqueKey: 'k' }), makeJob(queue)];
    if (!(await at().jobs.insertAlone(unique))) await at().insert(...unique);
    assert.deepEqual(await at().take(queue, 99), ids([...alike, ...unique]));
  });

  test('a dropped job is not written', async () => {
    const queue = freshQueue();
    await at().insert(makeJob(queue, { isDropped: true }));
    assert.deepEqual(await at().take(queue, 1), []);
  });
}

function uniqueSuite(at: () => Handle): void {
  const twins = (queue: string, onDuplicate: PreparedJob['onDuplicate']) =>
    [makeJob(queue, { uniqueKey: 'k"\\' }), makeJob(queue, { uniqueKey: 'k"\\', onDuplicate })] as const;

  test('reject refuses a twin that waits or runs, and nothing of the transaction stays', async () => {
    const queue = freshQueue();
    const [first, second] = twins(queue, 'reject');
    const other = makeJob(queue);
    await at().insert(first);
    await assert.rejects(at().insert(other, second), { code: 'job_duplicate' });
    const { jobs } = await at().completeAndClaim(queue, { want: 9 });
    assert.deepEqual(ids(jobs), [first.jobId]);
    await assert.rejects(at().insert(second), { code: 'job_duplicate' });
    assert.equal(await at().state(other.jobId), undefined);
  });

  test('ignore keeps the first; another workspace or queue has keys of its own', async () => {
    const queue = freshQueue();
    const [first, second] = twins(queue, 'ignore');
    const elsewhere = [
      makeJob(queue, { uniqueKey: 'k"\\', workspaceId: '8' }),
      makeJob(freshQueue(), { uniqueKey: 'k"\\' }),
    ];
    await at().insert(first);
    await at().insert(second, ...elsewhere);
    assert.deepEqual(await at().take(queue, 9), [first.jobId, elsewhere[0]!.jobId]);
    assert.equal(await at().state(second.jobId), undefined);
  });

  test('replace puts the new job in the place of one that waits', async () => {
    const queue = freshQueue();
    const [first, second] = twins(queue, 'replace');
    await at().insert(first);
    await at().insert(second);
    assert.deepEqual(await at().take(queue, 9), [second.jobId]);
    const old = await at().inspection.find(first.jobId);
    assert.equal(old?.state, 'replaced');
    assert.equal(old?.detail, JSON.stringify(second.jobId));
  });

  test('a job that replaces one that runs waits until that one has ended', async () => {
    const queue = freshQueue();
    const [first, second] = twins(queue, 'replace');
    await at().insert(first);
    const { jobs, lease } = await at().completeAndClaim(queue, { want: 9 });
    await at().insert(second);
    assert.deepEqual(await at().take(queue, 9), []);
    const kept = await at().completeAndClaim(queue, { want: 9, lease, kept: jobs });
    assert.deepEqual(ids(kept.jobs), []);
    assert.equal((await at().inspection.facts(second.jobId))?.hasTwin, true);
    const next = await at().completeAndClaim(queue, { want: 0, lease: kept.lease, done: done(jobs) });
    const last = await at().completeAndClaim(queue, { want: 9, lease: next.lease });
    assert.deepEqual(ids(last.jobs), [second.jobId]);
  });

  test('of twins that come at once one is written', async () => {
    const queue = freshQueue();
    const tries = Array.from({ length: 8 }, () => at().insert(makeJob(queue, { uniqueKey: 'k' })));
    const settled = await Promise.allSettled(tries);
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal((await at().take(queue, 9)).length, 1);
  });
}

function lineSuite(at: () => Handle): void {
  test('jobs are taken in the order of their scores, as many as wanted', async () => {
    const queue = freshQueue();
    const now = Date.now();
    const jobs = [3, 1, 2, 5, 4].map((order) => makeJob(queue, { score: scoreAt(now, order) }));
    await at().insert(...jobs);
    const first = await at().completeAndClaim(queue, { want: 3 });
    assert.deepEqual(ids(first.jobs), [jobs[1]!.jobId, jobs[2]!.jobId, jobs[0]!.jobId]);
    assert.equal(first.isFull, true);
    assert.equal(first.lastScore, scoreAt(now, 3));
    const second = await at().completeAndClaim(queue, {
      want: 3,
      lease: first.lease,
      kept: first.jobs,
      fromScore: first.lastScore!,
    });
    assert.deepEqual(ids(second.jobs), [jobs[4]!.jobId, jobs[3]!.jobId]);
    assert.equal(second.isFull, false);
  });

  test('below the mark only lateArrivals are taken', async () => {
    const queue = freshQueue();
    const now = Date.now();
    const jobs = [1, 2, 3].map((order) => makeJob(queue, { score: scoreAt(now, order) }));
    await at().insert(...jobs);
    const { jobs: taken } = await at().completeAndClaim(queue, {
      want: 9,
      fromScore: scoreAt(now, 3),
      lateArrivals: [scoreAt(now, 1), scoreAt(now, 77)],
    });
    assert.deepEqual(ids(taken), [jobs[0]!.jobId, jobs[2]!.jobId]);
  });

  test('look finds the first from a score that is in nobody’s hand', async () => {
    const [queue, empty] = [freshQueue(), freshQueue()];
    const now = Date.now();
    await at().insert(...[1, 2, 3].map((order) => makeJob(queue, { score: scoreAt(now, order) })));
    await at().completeAndClaim(queue, { want: 1 });
    const { lowest } = await at().jobs.look([
      { queue, fromScore: 0 },
      { queue: empty, fromScore: 0 },
      { queue, fromScore: scoreAt(now, 3) },
    ]);
    assert.deepEqual(lowest, [scoreAt(now, 2), undefined, scoreAt(now, 3)]);
    assert.deepEqual((await at().jobs.look([])).lowest, []);
  });

  test('a scheduled job is ready once it has been promoted, not before it is due', async () => {
    const queue = freshQueue();
    const runAtMs = Date.now() + 60_000;
    const job = makeJob(queue, { runAtMs, isScheduled: true });
    await at().insert(job);
    assert.equal(await at().state(job.jobId), 'scheduled');
    assert((await at().jobs.look([])).dueMs! <= runAtMs);
    await at().jobs.promote(runAtMs - 1, 100);
    assert.deepEqual(await at().take(queue, 1), []);
    const promoted = await at().jobs.promote(runAtMs, 100);
    assert.deepEqual(promoted.find((each) => each.queue === queue)?.scores, [job.score]);
    assert.deepEqual(await at().take(queue, 1), [job.jobId]);
  });
}

function leaseSuite(at: () => Handle): void {
  test('turns that come at once never take the same job', async () => {
    const queue = freshQueue();
    const jobs = Array.from({ length: 100 }, () => makeJob(queue));
    await at().insert(...jobs);
    const taken = await Promise.all(Array.from({ length: 12 }, () => at().take(queue, 10)));
    assert.deepEqual(taken.flat().toSorted(), ids(jobs).toSorted());
  });

  test('what is neither kept nor ended is given back', async () => {
    const queue = freshQueue();
    await at().insert(makeJob(queue), makeJob(queue));
    const { jobs, lease } = await at().completeAndClaim(queue, { want: 2 });
    await at().completeAndClaim(queue, { lease, kept: jobs.slice(1) });
    assert.equal(await at().state(jobs[0]!.jobId), 'ready');
    assert.equal(await at().state(jobs[1]!.jobId), 'running');
    assert.deepEqual(await at().take(queue, 2), [jobs[0]!.jobId]);
  });

  test('a turn under an older lease, or one that was left, is lost and has no effect', async () => {
    const queue = freshQueue();
    await at().insert(makeJob(queue));
    const first = await at().completeAndClaim(queue, { want: 1 });
    const second = await at().completeAndClaim(queue, { lease: first.lease, kept: first.jobs });
    const late = makeTurn(queue, { lease: first.lease, done: done(first.jobs), want: 9 });
    assert.deepEqual(await at().jobs.completeAndClaim(late), { kind: 'lost' });
    assert.equal(await at().state(first.jobs[0]!.jobId), 'running');
    await at().jobs.leave(queue, second.lease);
    assert.equal(await at().state(first.jobs[0]!.jobId), 'ready');
    assert.deepEqual(await at().jobs.completeAndClaim(makeTurn(queue, { lease: second.lease })), {
      kind: 'lost',
    });
  });

  test('the jobs of a lease that has run out count one failed attempt, and run again', async () => {
    const queue = freshQueue();
    const untilMs = Date.now() + 1000;
    const [fresh, tried, last] = [makeJob(queue), makeJob(queue), makeJob(queue, { attemptsMax: 1 })];
    await at().insert(fresh, tried);
    const failing = await at().completeAndClaim(queue, { want: 2 });
    const retry = { runAtMs: Date.now() - 1, score: tried.score };
    const { lease } = await at().completeAndClaim(queue, {
      lease: failing.lease,
      failed: [{ jobId: tried.jobId, error: 'e', retry }],
    });
    await at().jobs.promote(Date.now(), 1000);
    await at().insert(last);
    const held = await at().completeAndClaim(queue, { lease, want: 3, untilMs });
    assert.equal(held.jobs.length, 3);
    assert.deepEqual(await at().jobs.reap([queue], untilMs), []);
    assert.deepEqual(await at().jobs.reap([queue], untilMs + 1), [
      {
        queue,
        worker: 'tester',
        jobs: 3,
        dead: [{ jobId: last.jobId, attempts: 1, traceparent: undefined }],
      },
    ]);
    const states = await Promise.all([fresh, tried, last].map(({ jobId }) => at().inspection.find(jobId)));
    assert.deepEqual(
      states.map((job) => [job?.state, job?.attempts]),
      [
        ['ready', 1],
        ['ready', 2],
        ['dead', 1],
      ],
    );
    assert.deepEqual(await at().jobs.completeAndClaim(makeTurn(queue, { lease: held.lease })), {
      kind: 'lost',
    });
    await at().completeAndClaim(queue, { want: 2, untilMs });
    await at().jobs.reap([queue], untilMs + 1);
    const lostAgain = await Promise.all([fresh, tried].map(({ jobId }) => at().inspection.find(jobId)));
    assert.deepEqual(
      lostAgain.map((job) => [job?.state, job?.attempts]),
      [
        ['scheduled', 2],
        ['dead', 3],
      ],
    );
    assert.deepEqual(await at().jobs.reap([freshQueue()], untilMs + 60_000), []);
  });
}

function endSuite(at: () => Handle): void {
  test('a job that is done is kept with its result', async () => {
    const queue = freshQueue();
    const jobs = [makeJob(queue), makeJob(queue)];
    await at().insert(...jobs);
    const { lease } = await at().completeAndClaim(queue, { want: 2 });
    const nowMs = Date.now();
    const result = '{"url":"a\\"\\\\"}';
    const ended = [
      { jobId: jobs[0]!.jobId, result },
      { jobId: jobs[1]!.jobId, result: undefined },
    ];
    await at().completeAndClaim(queue, { lease, nowMs, done: ended });
    const [first, second] = await Promise.all(jobs.map(({ jobId }) => at().inspection.find(jobId)));
    assert.deepEqual([first?.state, first?.detail, first?.finishedMs], ['done', result, nowMs]);
    assert.deepEqual([second?.state, second?.detail, second?.attempts], ['done', undefined, 1]);
    assert.deepEqual(await at().take(queue, 9), []);
  });

  test('a failed job is tried again when it is said to, with its error', async () => {
    const { claimed, lease } = await takeOne(at(), makeJob(freshQueue(), { priority: 2 }));
    const { jobId } = claimed;
    const queue = (await at().inspection.find(jobId))!.queue;
    const retry = { runAtMs: Date.now() + 5000, score: scoreAt(Date.now() + 5000) };
    await at().completeAndClaim(queue, { lease, failed: [{ jobId, error: 'boom\0', retry }] });
    const job = await at().inspection.find(jobId);
    assert.deepEqual(
      [job?.state, job?.attempts, job?.lastError, job?.runAtMs],
      ['scheduled', 1, 'boom', retry.runAtMs],
    );
    await at().jobs.promote(retry.runAtMs, 1000);
    const again = await at().completeAndClaim(queue, { want: 1 });
    assert.equal(again.jobs[0]?.attempts, 1);
  });

  test('a job that failed for good is dead, and runs again only when it is redriven', async () => {
    const job = makeJob(freshQueue(), { uniqueKey: 'k' });
    const { lease } = await takeOne(at(), job);
    await at().completeAndClaim(job.queue, {
      lease,
      failed: [{ jobId: job.jobId, error: 'boom', retry: undefined }],
    });
    const dead = await at().inspection.find(job.jobId);
    assert.deepEqual([dead?.state, dead?.attempts, dead?.lastError], ['dead', 1, 'boom']);
    const twin = makeJob(job.queue, { uniqueKey: 'k' });
    await at().insert(twin);
    const placed = [{ jobId: job.jobId, score: job.score }];
    assert.deepEqual(await at().inspection.redrive(placed, Date.now()), []);
    await at().inspection.withdraw(job.queue, [twin.jobId], 'discarded', Date.now());
    assert.deepEqual(await at().inspection.redrive(placed, Date.now()), [job.jobId]);
    const { jobs } = await at().completeAndClaim(job.queue, { want: 1 });
    assert.deepEqual([jobs[0]?.jobId, jobs[0]?.attempts], [job.jobId, 0]);
  });

  test('progress shows while the job runs', async () => {
    const job = makeJob(freshQueue());
    const { claimed, lease } = await takeOne(at(), job);
    const progress = [{ jobId: job.jobId, value: '{"percent":50}' }];
    await at().completeAndClaim(job.queue, { lease, kept: [claimed], progress });
    assert.equal((await at().inspection.find(job.jobId))?.progress, '{"percent":50}');
  });
}

function keySuite(at: () => Handle): void {
  const perKey = { concurrency: 2 };

  test('no more jobs of a key are in flight than it may have, over all workers', async () => {
    const queue = freshQueue();
    const keyed = Array.from({ length: 5 }, () => makeJob(queue, { concurrencyKey: 'a' }));
    const others = [
      makeJob(queue),
      makeJob(queue, { concurrencyKey: 'b' }),
      makeJob(queue, { concurrencyKey: 'a', workspaceId: '8' }),
    ];
    await at().insert(...keyed, ...others);
    const first = await at().completeAndClaim(queue, { want: 1, perKey });
    const second = await at().completeAndClaim(queue, { want: 9, perKey });
    assert.deepEqual(ids(first.jobs), [keyed[0]!.jobId]);
    assert.deepEqual(ids(second.jobs), ids([keyed[1]!, ...others]));
    assert.equal(await at().state(keyed[2]!.jobId), 'held');
    assert.equal((await at().inspection.facts(keyed[2]!.jobId))?.ofKey, 2);
    const third = await at().completeAndClaim(queue, {
      want: 9,
      perKey,
      lease: first.lease,
      done: done(first.jobs),
    });
    assert.deepEqual(ids(third.jobs), [keyed[2]!.jobId]);
    const failed = second.jobs.slice(0, 1).map(({ jobId }) => ({ jobId, error: 'e', retry: undefined }));
    const fourth = await at().completeAndClaim(queue, {
      want: 9,
      perKey,
      lease: second.lease,
      failed,
      kept: second.jobs.slice(1),
    });
    assert.deepEqual(ids(fourth.jobs), [keyed[3]!.jobId]);
  });

  test('held jobs that a turn releases and has no room for are named, to be asked for by the next', async () => {
    const queue = freshQueue();
    const keyed = ['a', 'a', 'b', 'b'].map((concurrencyKey) => makeJob(queue, { concurrencyKey }));
    await at().insert(...keyed);
    const limits = { perKey: { concurrency: 1 }, fromScore: scoreAt(Date.now()) };
    const lateArrivals = keyed.map(({ score }) => score);
    const first = await at().completeAndClaim(queue, { want: 4, ...limits, lateArrivals });
    assert.deepEqual(first.released, []);
    const full = await at().completeAndClaim(queue, {
      want: 0,
      ...limits,
      lease: first.lease,
      done: done(first.jobs),
    });
    assert.deepEqual(full.released.toSorted(), [keyed[1]!.score, keyed[3]!.score].toSorted());
    const next = await at().completeAndClaim(queue, {
      want: 2,
      ...limits,
      lease: full.lease,
      lateArrivals: full.released,
    });
    assert.deepEqual(ids(next.jobs), [keyed[1]!.jobId, keyed[3]!.jobId]);
    assert.deepEqual(next.released, []);
  });

  test('held jobs whose predecessors were discarded or lost are released', async () => {
    const queue = freshQueue();
    const limits = { perKey: { concurrency: 1 } };
    const keyed = Array.from({ length: 3 }, () => makeJob(queue, { concurrencyKey: 'a', attemptsMax: 1 }));
    await at().insert(...keyed);
    const untilMs = Date.now() + 1000;
    await at().completeAndClaim(queue, { want: 9, untilMs, ...limits });
    assert.equal(await at().maintenance.releaseOrphans(Date.now()), 0);
    await at().jobs.reap([queue], untilMs + 1);
    assert((await at().maintenance.releaseOrphans(Date.now())) >= 1);
    assert.deepEqual(await at().take(queue, 9, limits), [keyed[1]!.jobId]);
  });
}

function rateSuite(at: () => Handle): void {
  const perKey = { rate: { count: 2, perMs: 10_000 } };

  test('a key starts as many jobs at once as its rate has, then one every so often', async () => {
    const queue = freshQueue();
    const keyed = Array.from({ length: 5 }, () => makeJob(queue, { concurrencyKey: 'a' }));
    await at().insert(...keyed);
    const nowMs = Date.now();
    const first = await at().completeAndClaim(queue, { want: 9, perKey, nowMs });
    assert.deepEqual(ids(first.jobs), ids(keyed.slice(0, 2)));
    assert.equal(first.releaseAtMs, nowMs + 5000);
    const early = await at().completeAndClaim(queue, {
      want: 9,
      perKey,
      nowMs: nowMs + 4999,
      lease: first.lease,
      done: done(first.jobs),
    });
    assert.deepEqual(ids(early.jobs), []);
    const second = await at().completeAndClaim(queue, {
      want: 9,
      perKey,
      nowMs: nowMs + 5000,
      lease: early.lease,
    });
    assert.deepEqual(ids(second.jobs), [keyed[2]!.jobId]);
    const third = await at().completeAndClaim(queue, {
      want: 9,
      perKey,
      nowMs: nowMs + 25_000,
      lease: second.lease,
      kept: second.jobs,
    });
    assert.deepEqual(ids(third.jobs), ids(keyed.slice(3)));
  });
}

function handSuite(at: () => Handle): void {
  test('a job in flight is not withdrawn; one that waits or is dead can be discarded', async () => {
    const queue = freshQueue();
    const [held, waiting, dead] = [makeJob(queue), makeJob(queue), makeJob(queue)];
    const taken = await takeOne(at(), dead);
    await at().completeAndClaim(queue, {
      lease: taken.lease,
      failed: [{ jobId: dead.jobId, error: 'e', retry: undefined }],
    });
    await takeOne(at(), held);
    await at().insert(waiting);
    const both = [held.jobId, waiting.jobId];
    assert.deepEqual(await at().inspection.leastWorthy(queue, 9), [waiting.jobId]);
    assert.deepEqual(await at().inspection.withdraw(queue, both, 'discarded', Date.now()), [waiting.jobId]);
    assert.deepEqual(await at().inspection.discardEach([dead.jobId, held.jobId], Date.now()), [dead.jobId]);
    const states = await Promise.all([held, waiting, dead].map(({ jobId }) => at().state(jobId)));
    assert.deepEqual(states, ['running', 'discarded', 'discarded']);
  });

  test('the least worthy are the lowest priorities, and of those the last in line', async () => {
    const queue = freshQueue();
    const jobs = [3, 0, 0, 9].map((priority) => makeJob(queue, { priority }));
    await at().insert(...jobs);
    const expected = [jobs[2]!, jobs[1]!, jobs[0]!];
    assert.deepEqual(await at().inspection.leastWorthy(queue, 3), ids(expected));
  });

  test('the list is newest first, of all states or one, page by page', async () => {
    const queue = freshQueue();
    const jobs = Array.from({ length: 4 }, (_, i) => makeJob(queue, i === 3 ? { isScheduled: true } : {}));
    await at().insert(...jobs);
    const { lease, jobs: taken } = await at().completeAndClaim(queue, { want: 2 });
    await at().completeAndClaim(queue, { lease, done: done(taken.slice(0, 1)), kept: taken.slice(1) });
    const list = (over: object) => at().inspection.list({ queue, limit: 10, ...over });
    const newestFirst = ids(jobs).toReversed();
    assert.deepEqual(ids(await list({})), newestFirst);
    const page = await list({ limit: 3 });
    assert.deepEqual(ids(page), newestFirst.slice(0, 3));
    assert.deepEqual(ids(await list({ beforeId: page.at(-1)?.jobId })), newestFirst.slice(3));
    for (const [index, state] of (['done', 'running', 'ready', 'scheduled'] as const).entries()) {
      assert.deepEqual(ids(await list({ state })), [jobs[index]!.jobId], state);
    }
    assert.deepEqual(await list({ workspaceId: '8' }), []);
  });

  test('a scheduled job can be hastened, once', async () => {
    const queue = freshQueue();
    const job = makeJob(queue, { isScheduled: true, runAtMs: Date.now() + 60_000 });
    await at().insert(job);
    assert.equal(await at().inspection.hasten(job.jobId, scoreAt(Date.now()), Date.now()), true);
    assert.equal(await at().inspection.hasten(job.jobId, scoreAt(Date.now()), Date.now()), false);
    assert.deepEqual(await at().take(queue, 1), [job.jobId]);
  });
}

function upkeepSuite(at: () => Handle): void {
  test('the count tells what waits, runs and is dead, and who has ended how many', async () => {
    const queue = freshQueue();
    const jobs = [5, 2, 7, 3].map((priority, i) => makeJob(queue, { priority, isScheduled: i === 3 }));
    await at().insert(...jobs);
    const { lease } = await at().completeAndClaim(queue, { want: 1 });
    const failed = [{ jobId: jobs[0]!.jobId, error: 'e', retry: undefined }];
    const next = await at().completeAndClaim(queue, { lease, failed, want: 1, endedTotal: 1 });
    assert.equal(next.jobs.length, 1);
    const count = (await at().maintenance.count(Date.now())).find((each) => each.queue === queue);
    assert.deepEqual(count, {
      queue,
      waiting: 2,
      scheduled: 1,
      held: 0,
      running: 1,
      dead: 1,
      lowestPriority: 2,
      oldestMs: jobs[1]!.runAtMs,
      ended: new Map([['tester', 1]]),
    });
  });

  test('measures are read as they were published, and those of queues that are gone are gone', async () => {
    const measure = {
      queue: 'a',
      waiting: 5_000_000_000,
      scheduled: 1,
      held: 2,
      running: 3,
      dead: 4,
      lowestPriority: undefined,
      oldestMs: 1_800_000_000_000,
      workers: 6,
      endedPerS: 1.5,
      measuredMs: 1_800_000_000_001,
    };
    await at().maintenance.publish([{ ...measure, queue: 'b' }]);
    await at().maintenance.publish([measure]);
    assert.deepEqual(await at().maintenance.measures(), [measure]);
  });

  test('dead jobs are forgotten when they are old', async () => {
    const job = makeJob(freshQueue());
    const { lease } = await takeOne(at(), job);
    const nowMs = Date.now();
    await at().completeAndClaim(job.queue, {
      lease,
      nowMs,
      failed: [{ jobId: job.jobId, error: 'e', retry: undefined }],
    });
    await at().maintenance.forgetDead(nowMs, 1000);
    assert.equal(await at().state(job.jobId), 'dead');
    assert((await at().maintenance.forgetDead(nowMs + 1, 1000)) >= 1);
    assert.equal(await at().state(job.jobId), undefined);
  });
}
