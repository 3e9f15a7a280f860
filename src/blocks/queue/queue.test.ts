import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { createLog } from '#base/log';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { queueErrors } from './errors.ts';
import type { Job } from './job.ts';
import { never, PLACEMENT, startTestQueues, type TestQueue, type TestQueues } from './queue.fixture.ts';

let all: TestQueues;
before(async () => {
  all = await startTestQueues();
});
after(() => all.stop());

let names = 0;
const freshName = () => `jobs_${++names}`;

async function isIn(queue: TestQueue, jobId: string, ...states: string[]) {
  const job = await queue.queue.inspection.show(jobId);
  return states.includes(job.state) ? job : undefined;
}

function becomes(queue: TestQueue, jobId: string, ...states: string[]) {
  return eventually(`job ${jobId} is ${states}`, () => isIn(queue, jobId, ...states));
}

async function rollsBack(work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, /rolled back/);
}

lifecycleSuite('queue', async () => all.make({ definitions: [{ name: freshName() }] }).queue);
lifecycleSuite('worker', async () => {
  const name = freshName();
  return all.make({ definitions: [{ name }] }).worker({ [name]: async () => {} });
});

test('a job is carried out with what it was given, and its result is kept', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const seen: Job[] = [];
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const handler = async (job: Job) => {
    seen.push(job);
    return { reference: `files/${job.jobId}` };
  };
  await queue.working({ [name]: handler }, async () => {
    const job = { queue: name, payload: { a: [1, 'é', null] } };
    const [jobId = ''] = await queue.queue.enqueueGrouped(PLACEMENT, [job], { signal: never, traceparent });
    const done = await becomes(queue, jobId, 'done');
    assert.equal(done.detail, JSON.stringify({ reference: `files/${jobId}` }));
    const { signal, progress: _, heartbeat: __, ...job1 } = seen[0]!;
    assert.equal(signal.aborted, false);
    assert.deepEqual(Object.fromEntries(Object.entries(job1)), {
      ...PLACEMENT,
      jobId,
      queue: name,
      payload: job.payload,
      attempt: 1,
      attemptsMax: 10,
      traceparent,
      idempotencyToken: `job-${jobId}`,
    });
  });
});

test('a job enqueued in a transaction is there when it commits, and only then', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const seen: string[] = [];
  const placement = { system: 'test', ...PLACEMENT };
  const enqueueIn = (commits: boolean) =>
    all.db.database.transact(placement, { signal: never }, async (tx) => {
      const job = queue.queue.prepareJob({ queue: name, payload: commits }, PLACEMENT, undefined);
      await queue.queue.insertJobs(tx, [job]);
      assert.deepEqual(seen, []);
      if (!commits) throw new Error('rolled back');
      return job;
    });
  await queue.working({ [name]: async ({ jobId }) => void seen.push(jobId) }, async () => {
    await rollsBack(enqueueIn(false));
    const job = await enqueueIn(true);
    queue.queue.wake(name, job.score);
    await becomes(queue, job.jobId, 'done');
    assert.deepEqual(seen, [job.jobId]);
  });
});

test('jobs of another process are found without being told', async () => {
  const name = freshName();
  const [mine, theirs] = [all.make({ definitions: [{ name }] }), all.make({ definitions: [{ name }] })];
  await mine.working({ [name]: async () => {} }, async () => {
    const jobs = [0, 9, 0, 5].map((priority) => theirs.enqueue({ queue: name, payload: 1, priority }));
    for (const jobId of await Promise.all(jobs)) await becomes(mine, jobId, 'done');
  });
});

test('a failed job is tried again with back-off, under one token, until it is dead; redriven it runs again', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, attemptsMax: 3, backoffBaseMs: 20 }] });
  const seen: [number, string][] = [];
  let isWell = false;
  const handler = async ({ attempt, idempotencyToken }: Job) => {
    seen.push([attempt, idempotencyToken]);
    if (!isWell) throw new Error('boom');
  };
  await queue.working({ [name]: handler }, async () => {
    const jobId = await queue.enqueue({ queue: name, payload: 1 });
    const dead = await becomes(queue, jobId, 'dead');
    assert.deepEqual([dead.attempts, dead.lastError], [3, 'boom']);
    const token = `job-${jobId}`;
    assert.deepEqual(seen, [
      [1, token],
      [2, token],
      [3, token],
    ]);
    isWell = true;
    await queue.queue.inspection.retry(jobId);
    await becomes(queue, jobId, 'done');
    assert.deepEqual(seen.at(-1), [1, token]);
  });
});

test('a job that is not to be retried is dead at once, as is one whose result is too large', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const handler = async ({ payload }: Job) => {
    if (payload === 'nonRetryable') throw queueErrors.job_non_retryable({ detail: 'no such file' });
    return 'x'.repeat(5000);
  };
  await queue.working({ [name]: handler }, async () => {
    const nonRetryable = await queue.enqueue({ queue: name, payload: 'nonRetryable' });
    const large = await queue.enqueue({ queue: name, payload: 'large' });
    assert.match(
      (await becomes(queue, nonRetryable, 'dead')).lastError ?? '',
      /job_non_retryable: no such file/,
    );
    assert.match((await becomes(queue, large, 'dead')).lastError ?? '', /job_result_too_large/);
    const { inspection } = queue.queue;
    assert.equal(await inspection.redrive(name, 1), 1);
    await becomes(queue, large, 'dead');
    assert.equal(await inspection.discardDead(name, 10), 2);
    await assert.rejects(inspection.discard(nonRetryable), { code: 'job_finished' });
    await assert.rejects(inspection.discardDead('none', 1), { code: 'queue_unknown' });
  });
});

test('the line about a dead job has the trace of whoever enqueued it', async () => {
  const name = freshName();
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const log = createLog({ level: 'error', service: 'test' }, { write });
  const queue = all.make({ definitions: [{ name }], log });
  const begun = Promise.withResolvers<void>();
  const handler = async (job: Job) => {
    if (job.payload === 'nonRetryable') throw queueErrors.job_non_retryable();
    begun.resolve();
    await new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason)));
  };
  const enqueue = async (payload: string, traceId: string) => {
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    const job = { queue: name, payload, attemptsMax: 1 };
    return (await queue.queue.enqueueGrouped(PLACEMENT, [job], { signal: never, traceparent }))[0] ?? '';
  };
  await queue.working({ [name]: handler }, async () => {
    const thrown = await enqueue('nonRetryable', '4bf92f3577b34da6a3ce929d0e0e4736');
    await becomes(queue, thrown, 'dead');
    const lost = await enqueue('lost', '0af7651916cd43dd8448eb211c80319c');
    await begun.promise;
    // As if nothing had been heard of the worker, whose next heartbeat is ten seconds away.
    await all.db.admin.run(sql`update core.job_leases set until_ms = 0 where queue = ${name}`);
    await becomes(queue, lost, 'dead');
    const dead = await eventually('both are told of', () => {
      const found = lines.filter(({ msg }) => msg === 'a job is dead');
      return found.length === 2 ? found : undefined;
    });
    assert.deepEqual(
      dead.map(({ jobId, queue, attempts, traceId }) => [jobId, queue, attempts, traceId]),
      [
        [thrown, name, 1, '4bf92f3577b34da6a3ce929d0e0e4736'],
        [lost, name, 1, '0af7651916cd43dd8448eb211c80319c'],
      ],
    );
  });
});

test('a job is shown to its own workspace alone, with when it was enqueued and ended', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const { inspection } = queue.queue;
  const jobId = await queue.enqueue({ queue: name, payload: 1 });
  assert.equal((await inspection.show(jobId, PLACEMENT.workspaceId)).state, 'ready');
  await assert.rejects(inspection.show(jobId, '2'), { code: 'job_missing' });
  await queue.working({ [name]: async () => 'there' }, () => becomes(queue, jobId, 'done'));
  const done = await inspection.show(jobId, PLACEMENT.workspaceId);
  assert.equal(done.detail, '"there"');
  // Ids may be a second ahead of the clock.
  assert((done.finishedMs ?? 0) >= done.enqueuedMs - 1000);
  await assert.rejects(inspection.show(jobId, '2'), { code: 'job_missing' });
});

test('an error that names a wait is tried again only after it', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, backoffBaseMs: 1 }] });
  const handler = async () => {
    throw queueErrors.queue_full({ retryAfterS: 30 });
  };
  await queue.working({ [name]: handler }, async () => {
    const jobId = await queue.enqueue({ queue: name, payload: 1 });
    const { runAtMs = 0 } = await becomes(queue, jobId, 'scheduled');
    assert(runAtMs > Date.now() + 25_000);
    const why = await queue.queue.inspection.why(jobId);
    assert.equal(why.waitsFor, 'backoff');
  });
});

test('a delayed job waits for its time, and says so', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const ran: number[] = [];
  await queue.working({ [name]: async () => void ran.push(Date.now()) }, async () => {
    const later = await queue.enqueue({ queue: name, payload: 1, delayMs: 60_000 });
    const runAtMs = Date.now() + 150;
    const soon = await queue.enqueue({ queue: name, payload: 1, runAtMs });
    assert.equal((await queue.queue.inspection.why(later)).waitsFor, 'schedule');
    await becomes(queue, soon, 'done');
    assert.equal(ran.length, 1);
    assert(ran[0]! >= runAtMs, 'not before its time');
    await queue.queue.inspection.retry(later);
    await becomes(queue, later, 'done');
  });
});

test('priorities go first by their head start, and low ones run all the same', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }], options: { priorityStepMs: 1000 } });
  const nowMs = Date.now();
  const order: string[] = [];
  const at = (label: string, agoMs: number, priority: number) => {
    const job = queue.queue.prepareJob({ queue: name, payload: label, priority }, PLACEMENT, undefined);
    const score = job.score - agoMs * 4096;
    return { ...job, score, runAtMs: nowMs - agoMs };
  };
  const jobs = [
    at('new high', 0, 9),
    at('old low', 10_000, 0),
    at('new low', 0, 0),
    at('older high', 500, 9),
  ];
  await all.db.database.transact({ system: 'test', ...PLACEMENT }, { signal: never }, (tx) =>
    queue.queue.insertJobs(tx, jobs),
  );
  await queue.working(
    { [name]: async ({ payload }) => void order.push(String(payload)) },
    () => eventually('all have run', () => order.length === 4),
    1,
  );
  assert.deepEqual(order, ['old low', 'older high', 'new high', 'new low']);
});

test('an attempt that takes too long is cut off and counts as failed; its slot is not given away', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, timeoutMs: 100, attemptsMax: 1 }] });
  const finish = Promise.withResolvers<void>();
  const reasons: unknown[] = [];
  const handler = async ({ signal, payload }: Job) => {
    if (payload !== 'slow') return;
    signal.addEventListener('abort', () => reasons.push(signal.reason));
    await finish.promise;
  };
  await queue.working(
    { [name]: handler },
    async () => {
      const slow = await queue.enqueue({ queue: name, payload: 'slow' });
      const dead = await becomes(queue, slow, 'dead');
      assert.match(dead.lastError ?? '', /^deadline_exceeded/);
      assert.equal((reasons[0] as { code?: string }).code, 'deadline_exceeded');
      const next = await queue.enqueue({ queue: name, payload: 'quick' });
      const why = await queue.queue.inspection.why(next);
      assert.equal(why.waitsFor, 'turn');
      finish.resolve();
      await becomes(queue, next, 'done');
    },
    1,
  );
});

test('an attempt that gives no heartbeat has failed, and one that goes on giving them is told so', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, heartbeatMs: 100, attemptsMax: 1 }] });
  const told = Promise.withResolvers<unknown>();
  const handler = async (job: Job) => {
    const beatsMax = job.payload as number;
    for (let beats = 0; beats < 20; beats++) {
      if (beats < beatsMax) job.heartbeat();
      await sleep(systemClock, 25);
    }
    if (beatsMax > 0) return;
    try {
      job.heartbeat();
      told.resolve(undefined);
    } catch (error) {
      told.resolve(error);
    }
  };
  await queue.working({ [name]: handler }, async () => {
    const silent = await queue.enqueue({ queue: name, payload: 0 });
    const dead = await becomes(queue, silent, 'dead');
    assert.match(dead.lastError ?? '', /^deadline_exceeded: .*no heartbeat for 100 ms/);
    assert.equal(((await told.promise) as { code?: string } | undefined)?.code, 'deadline_exceeded');
  });
});

test('progress is seen while the job runs', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }], options: { leaseMs: 3000 } });
  const finish = Promise.withResolvers<void>();
  const handler = async (job: Job) => {
    job.progress({ percent: 40 });
    await finish.promise;
  };
  await queue.working({ [name]: handler }, async () => {
    const jobId = await queue.enqueue({ queue: name, payload: 1 });
    await eventually('progress shows', async () => {
      const job = await queue.queue.inspection.show(jobId);
      return job.progress === '{"percent":40}' && job.state === 'running' && job.worker !== undefined;
    });
    await assert.rejects(queue.queue.inspection.discard(jobId), { code: 'job_running' });
    assert.equal((await queue.queue.inspection.why(jobId)).waitsFor, 'nothing');
    finish.resolve();
    await becomes(queue, jobId, 'done');
    await assert.rejects(queue.queue.inspection.retry(jobId), { code: 'job_finished' });
  });
});

test('a stop waits for what runs, gives back what has not begun, and cuts off at the deadline', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const begun: string[] = [];
  const finish = Promise.withResolvers<void>();
  const handler = async ({ jobId, signal, payload }: Job) => {
    begun.push(jobId);
    if (payload === 'deaf')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    else await finish.promise;
  };
  const worker = queue.worker({ [name]: handler }, 2);
  await worker.start(never);
  const jobs = [];
  for (const payload of ['polite', 'deaf', 'third']) jobs.push(await queue.enqueue({ queue: name, payload }));
  await eventually('two have begun', () => begun.length === 2);
  const deadline = new AbortController();
  const stopped = worker.stop(deadline.signal);
  finish.resolve();
  await becomes(queue, jobs[0]!, 'done');
  deadline.abort(new Error('no time left'));
  await stopped;
  assert.equal(begun.length, 2);
  for (const jobId of jobs.slice(1)) await becomes(queue, jobId, 'ready', 'running');
});

test('the jobs of one key run one at a time, in order', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, perKey: { concurrency: 1 } }] });
  const running = new Map<string, number>();
  const order: number[] = [];
  let done = 0;
  const handler = async ({ payload }: Job) => {
    const { key, number } = payload as { key: string; number: number };
    assert.equal(running.get(key) ?? 0, 0, 'one at a time');
    running.set(key, 1);
    await all.db.database.core.first(sql`select pg_sleep(0.002)`);
    running.set(key, 0);
    if (key === 'a') order.push(number);
    done++;
  };
  const workers = [queue.worker({ [name]: handler }), queue.worker({ [name]: handler })];
  const jobs = Array.from({ length: 60 }, (_, number) => {
    const key = number % 3 === 0 ? 'b' : 'a';
    return { queue: name, payload: { key, number }, concurrencyKey: key };
  });
  await queue.queue.enqueueGrouped(PLACEMENT, jobs, { signal: never });
  for (const worker of workers) await worker.start(never);
  await eventually('all have run', () => done === 60);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  for (const worker of workers) await worker.stop(never);
});

test('why says what a job waits for', async () => {
  const name = freshName();
  const keyed = `${name}_keyed`;
  const rated = `${name}_rated`;
  const queue = all.make({
    definitions: [
      { name },
      { name: keyed, perKey: { concurrency: 1 } },
      { name: rated, perKey: { rate: { count: 1, perMs: 60_000 } } },
    ],
  });
  const { inspection } = queue.queue;
  const first = await queue.enqueue({ queue: name, payload: 1 });
  assert.deepEqual(await inspection.why(first), { waitsFor: 'no_worker' });
  const finish = Promise.withResolvers<void>();
  const handler = () => finish.promise;
  await queue.working(
    { [name]: handler, [keyed]: handler, [rated]: async () => {} },
    async () => {
      await becomes(queue, first, 'running');
      const [second, third] = [
        await queue.enqueue({ queue: name, payload: 2 }),
        await queue.enqueue({ queue: name, payload: 3 }),
      ];
      await becomes(queue, second, 'ready');
      assert.deepEqual(await inspection.why(third), { waitsFor: 'priority', ahead: 2 });
      const ofKey = { queue: keyed, payload: 1, concurrencyKey: 'k' };
      await queue.enqueue(ofKey);
      const held = await queue.enqueue(ofKey);
      await eventually(
        'the key is at its limit',
        async () => (await inspection.why(held)).waitsFor === 'key_concurrency',
      );
      const ofRate = { queue: rated, payload: 1, concurrencyKey: 'k' };
      const opened = await queue.enqueue(ofRate);
      await becomes(queue, opened, 'done');
      const slowed = await queue.enqueue(ofRate);
      await becomes(queue, slowed, 'held');
      const why = await inspection.why(slowed);
      assert(why.waitsFor === 'key_rate' && (why.untilMs ?? 0) > Date.now() + 30_000);
      finish.resolve();
      await becomes(queue, held, 'done');
    },
    1,
  );
  await assert.rejects(inspection.why('1'), { code: 'job_missing' });
  await assert.rejects(inspection.show('no id'), { code: 'job_missing' });
});

test('a queue is drained of all that nobody has in flight', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const jobs = Array.from({ length: 2500 }, () => ({ queue: name, payload: 1 }));
  await queue.queue.enqueueGrouped(PLACEMENT, jobs, { signal: never });
  await queue.enqueue({ queue: name, payload: 1, delayMs: 60_000 });
  assert.equal(await queue.queue.inspection.drain(name, never), 2501);
  assert.equal(await queue.queue.inspection.drain(name, never), 0);
  await assert.rejects(queue.queue.inspection.drain('none', never), { code: 'queue_unknown' });
});

test('of calls grouped together only the one at fault is refused', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const job = { queue: name, payload: 1 };
  const unique = { ...job, uniqueKey: 'k' };
  await queue.enqueue(unique);
  const calls = await Promise.allSettled([queue.enqueue(job), queue.enqueue(unique), queue.enqueue(job)]);
  assert.deepEqual(
    calls.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal((calls[1] as PromiseRejectedResult).reason.code, 'job_duplicate');
});

test('a full queue rejects with a time to retry after, and takes jobs again when it has room', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, waitingMax: 3 }] });
  const jobs = Array.from({ length: 3 }, () => ({ queue: name, payload: 1 }));
  await queue.queue.enqueueGrouped(PLACEMENT, jobs, { signal: never });
  await assert.rejects(
    queue.enqueue({ queue: name, payload: 1 }),
    (error: Error & { retryAfterS?: number }) => {
      assert.equal((error as { code?: string }).code, 'queue_full');
      assert((error.retryAfterS ?? 0) >= 1);
      return true;
    },
  );
  await queue.working({ [name]: async () => {} }, () =>
    eventually('there is room', () =>
      queue.enqueue({ queue: name, payload: 1 }).then(
        () => true,
        () => false,
      ),
    ),
  );
});

test('an enqueue into a full queue that blocks waits for room, not for ever', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, waitingMax: 1, whenFull: 'block', blockMsMax: 100 }] });
  await queue.enqueue({ queue: name, payload: 1 });
  await assert.rejects(queue.enqueue({ queue: name, payload: 2 }), { code: 'queue_full' });
  const patient = all.make({ definitions: [{ name, waitingMax: 1, whenFull: 'block', blockMsMax: 10_000 }] });
  await patient.queue.start(never);
  const waiting = patient.enqueue({ queue: name, payload: 2 });
  const two = [2, 3].map((payload) => ({ queue: name, payload }));
  await assert.rejects(queue.queue.enqueueGrouped(PLACEMENT, two, { signal: never }), { code: 'queue_full' });
  await queue.working({ [name]: async () => {} }, async () => {
    await becomes(queue, await waiting, 'done');
  });
  await patient.queue.stop(never);
});

test('a full queue that drops makes room for what is worth more, and counts what it drops', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name, waitingMax: 5, whenFull: 'drop' }] });
  const enqueue = (priority: number) => queue.enqueue({ queue: name, payload: 1, priority });
  const low = [];
  for (let i = 0; i < 5; i++) low.push(await enqueue(i === 0 ? 1 : 0));
  await queue.queue.start(never);
  await eventually('the queue is measured', () => queue.queue.measures().some((each) => each.queue === name));
  const refused = await enqueue(0);
  await assert.rejects(queue.queue.inspection.show(refused), { code: 'job_missing' });
  const high = await enqueue(5);
  await becomes(queue, low[4]!, 'dropped');
  await becomes(queue, high, 'ready');
  for (const jobId of low.slice(0, 4)) await becomes(queue, jobId, 'ready');
  await queue.queue.stop(never);
});

test('the measures tell backlog, workers and rate; other processes read what one has measured', async () => {
  const name = freshName();
  const [leading, following] = [true, false].map((leads) =>
    all.make({ definitions: [{ name }], leads: () => leads }),
  ) as [TestQueue, TestQueue];
  await leading.queue.start(never);
  await following.queue.start(never);
  const finish = Promise.withResolvers<void>();
  const handler = async ({ payload }: Job) => (payload === 'slow' ? finish.promise : undefined);
  await leading.working(
    { [name]: handler },
    async () => {
      for (let i = 0; i < 50; i++) await leading.enqueue({ queue: name, payload: 'quick' });
      for (let i = 0; i < 3; i++) await leading.enqueue({ queue: name, payload: 'slow' });
      await eventually('the others read it', () => {
        const measure = following.queue.measures().find((each) => each.queue === name);
        return measure?.waiting === 2 && measure.running === 1 && measure.workers === 1;
      });
      finish.resolve();
    },
    1,
  );
  await leading.queue.stop(never);
  await following.queue.stop(never);
});

test('what cannot be a job is refused before anything is written', () => {
  const name = freshName();
  const { queue } = all.make({ definitions: [{ name }] });
  const invalid: [object, string][] = [
    [{ priority: 10 }, 'job_invalid'],
    [{ priority: 0.5 }, 'job_invalid'],
    [{ runAtMs: 1, delayMs: 1 }, 'job_invalid'],
    [{ runAtMs: Number.NaN }, 'job_invalid'],
    [{ delayMs: 1e15 }, 'job_invalid'],
    [{ uniqueKey: '' }, 'job_invalid'],
    [{ uniqueKey: 'a\0' }, 'job_invalid'],
    [{ concurrencyKey: 'x'.repeat(256) }, 'job_invalid'],
    [{ attemptsMax: 0 }, 'job_invalid'],
    [{ payload: undefined }, 'job_invalid'],
    [{ payload: 'é'.repeat(40_000) }, 'job_too_large'],
    [{ queue: 'none' }, 'queue_unknown'],
  ];
  for (const [over, code] of invalid) {
    const job = { queue: name, payload: 1, ...over };
    assert.throws(() => queue.prepareJob(job, PLACEMENT, undefined), { code }, JSON.stringify(over));
  }
});
