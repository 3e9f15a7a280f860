import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import type { Job } from '../job.ts';
import { never, startTestQueues, type TestQueue, type TestQueues } from '../queue.fixture.ts';
import type { JobStore } from '../store.ts';

let all: TestQueues;
before(async () => {
  all = await startTestQueues();
});
after(() => all.stop());

let names = 0;
const freshName = () => `work_${++names}`;
const stopAtOnce = () => AbortSignal.timeout(5000);

/** Puts something between the workers of a queue and its store. */
function between(test: TestQueue, change: (store: JobStore) => Partial<JobStore>): TestQueue {
  const { forWorkers } = test.queue;
  Object.assign(forWorkers, { store: { ...forWorkers.store, ...change(forWorkers.store) } });
  return test;
}

async function doneIn(queue: TestQueue, name: string): Promise<number> {
  return (await queue.queue.inspection.list({ queue: name, state: 'done', limit: 1000 })).length;
}

test('a worker whose lease was taken cuts its jobs off, and records nothing of them', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }], options: { leaseMs: 1000 } });
  const runs: Job[] = [];
  const first = Promise.withResolvers<void>();
  const handler = async (job: Job) => {
    runs.push(job);
    if (job.attempt > 1) return 'second';
    await first.promise;
    return 'first';
  };
  const worker = queue.worker({ [name]: handler }, 1);
  await worker.start(never);
  const jobId = await queue.enqueue({ queue: name, payload: 1 });
  await eventually('it runs', () => runs.length === 1);
  const { signal } = runs[0]!;
  await queue.queue.forWorkers.store.reap([name], Date.now() + 60_000);
  await eventually('it is told', () => signal.aborted);
  assert.equal(signal.reason.code, 'job_lease_lost');
  first.resolve();
  const done = await eventually('it has run again', async () => {
    const job = await queue.queue.inspection.show(jobId);
    return job.state === 'done' ? job : undefined;
  });
  assert.equal(done.detail, '"second"');
  await worker.stop(stopAtOnce());
});

test('a worker that cannot reach the database lets go of its jobs when its lease has run out', async () => {
  const name = freshName();
  let isAway = false;
  const queue = between(all.make({ definitions: [{ name }], options: { leaseMs: 1000 } }), (store) => ({
    completeAndClaim: (request) =>
      isAway ? Promise.reject(new Error('away')) : store.completeAndClaim(request),
  }));
  const runs: Job[] = [];
  const handler = async (job: Job) => {
    runs.push(job);
    if (runs.length === 1)
      await new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason)));
  };
  const worker = queue.worker({ [name]: handler });
  await worker.start(never);
  await queue.enqueue({ queue: name, payload: 1 });
  await eventually('it runs', () => runs.length === 1);
  isAway = true;
  await eventually('it is told', () => runs[0]!.signal.aborted);
  await eventually('it says so', () => worker.health().status === 'failing');
  isAway = false;
  await eventually('it has run again', async () => (await doneIn(queue, name)) === 1);
  await eventually('it is well again', () => worker.health().status === 'ok');
  await worker.stop(stopAtOnce());
});

test('what has ended is recorded although turns fail, once', async () => {
  const name = freshName();
  let turns = 0;
  const queue = between(all.make({ definitions: [{ name }] }), (store) => ({
    completeAndClaim: (request) =>
      ++turns % 2 === 0 ? Promise.reject(new Error('no')) : store.completeAndClaim(request),
  }));
  const runs = new Map<string, number>();
  const handler = async ({ jobId }: Job) => void runs.set(jobId, (runs.get(jobId) ?? 0) + 1);
  const worker = queue.worker({ [name]: handler });
  await worker.start(never);
  for (let i = 0; i < 10; i++) await queue.enqueue({ queue: name, payload: 1 });
  await eventually('all are recorded', async () => (await doneIn(queue, name)) === 10);
  assert.deepEqual([...runs.values()], Array(10).fill(1));
  await worker.stop(stopAtOnce());
});

test('jobs that wait behind a long one are given to a worker that is free', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const finish = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const ranBy: string[] = [];
  const handler =
    (worker: string) =>
    async ({ payload }: Job) => {
      if (payload === 'long') {
        begun.resolve();
        await finish.promise;
      } else if (payload === 'short') ranBy.push(worker);
    };
  const [busy, free] = ['busy', 'free'].map((worker) => queue.worker({ [name]: handler(worker) }, 1)) as [
    ReturnType<TestQueue['worker']>,
    ReturnType<TestQueue['worker']>,
  ];
  await busy.start(never);
  for (let i = 0; i < 200; i++) queue.enqueue({ queue: name, payload: 'warm' });
  await eventually('it is warm', async () => (await doneIn(queue, name)) === 200);
  const jobs = ['long', 'short', 'short'].map((payload) => ({ queue: name, payload }));
  await queue.queue.enqueueGrouped({ workspaceId: '1', bucket: 9 }, jobs, { signal: never });
  await begun.promise;
  await free.start(never);
  await eventually('the free one has run them', () => ranBy.length === 2);
  assert.deepEqual(ranBy, ['free', 'free']);
  finish.resolve();
  await Promise.all([busy.stop(stopAtOnce()), free.stop(stopAtOnce())]);
});

test('a thousand jobs of two workers run once each', async () => {
  const name = freshName();
  const queue = all.make({ definitions: [{ name }] });
  const runs = new Map<string, number>();
  const handler = async ({ jobId }: Job) => void runs.set(jobId, (runs.get(jobId) ?? 0) + 1);
  const workers = [queue.worker({ [name]: handler }, 3), queue.worker({ [name]: handler }, 3)];
  for (const worker of workers) await worker.start(never);
  const calls = Array.from({ length: 50 }, (_, call) =>
    queue.queue.enqueueGrouped(
      { workspaceId: '1', bucket: 9 },
      Array.from({ length: 20 }, (_, i) => ({ queue: name, payload: call, priority: i % 10 })),
      { signal: never },
    ),
  );
  const ids = (await Promise.all(calls)).flat();
  await eventually('all are done', async () => (await doneIn(queue, name)) === 1000);
  assert.deepEqual([...runs.keys()].toSorted(), ids.toSorted());
  assert.deepEqual(new Set(runs.values()), new Set([1]));
  for (const worker of workers) await worker.stop(stopAtOnce());
});
