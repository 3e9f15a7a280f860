import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PreparedJob } from '../job.ts';
import { makeJob } from '../store.fixture.ts';
import { createGroups } from './groups.ts';

type Write = (jobs: readonly PreparedJob[]) => Promise<void>;

/** Keeps each write waiting until the test lets it go. */
function held() {
  const writes: { jobs: readonly PreparedJob[]; settle: PromiseWithResolvers<void> }[] = [];
  const write: Write = (jobs) => {
    const settle = Promise.withResolvers<void>();
    writes.push({ jobs, settle });
    return settle.promise;
  };
  return { groups: createGroups(write), writes };
}

const job = () => makeJob('q');
const turns = async () => {
  for (let i = 0; i < 20; i++) await undefined;
};

test('calls of one tick are written together, and answered after the write', async () => {
  const { groups, writes } = held();
  let answered = 0;
  const calls = Array.from({ length: 64 }, () => groups.enqueue([job()]).then(() => answered++));
  await turns();
  assert.deepEqual(
    writes.map(({ jobs }) => jobs.length),
    [64],
  );
  assert.equal(answered, 0);
  writes[0]!.settle.resolve();
  await Promise.all(calls);
  assert.equal(answered, 64);
});

test('what comes while two groups are under way waits, and goes together', async () => {
  const { groups, writes } = held();
  const calls = [];
  for (let i = 0; i < 6; i++) {
    calls.push(groups.enqueue([job()]));
    await turns();
  }
  assert.deepEqual(
    writes.map(({ jobs }) => jobs.length),
    [1, 1],
  );
  writes[0]!.settle.resolve();
  await turns();
  assert.deepEqual(
    writes.map(({ jobs }) => jobs.length),
    [1, 1, 4],
  );
  for (const { settle } of writes) settle.resolve();
  await Promise.all(calls);
});

test('a group has at most a thousand jobs, but a call is never split', async () => {
  const { groups, writes } = held();
  const many = (count: number) => Array.from({ length: count }, job);
  const calls = [many(600), many(400), many(1), many(3000), many(5)].map((jobs) => groups.enqueue(jobs));
  await turns();
  for (let at = 0; at < writes.length; at++) {
    writes[at]!.settle.resolve();
    await turns();
  }
  await Promise.all(calls);
  assert.deepEqual(
    writes.map(({ jobs }) => jobs.length),
    [1000, 1, 3000, 5],
  );
});

test('a refused group is written call by call: only the one at fault is refused', async () => {
  const bad = job();
  const sizes: number[] = [];
  const groups = createGroups(async (jobs) => {
    sizes.push(jobs.length);
    if (jobs.includes(bad)) throw new Error('bad');
  });
  const calls = await Promise.allSettled([job(), bad, job()].map((each) => groups.enqueue([each])));
  assert.deepEqual(
    calls.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(sizes, [3, 1, 1, 1]);
});

test('when the database is away, all are told, and nothing is tried again', async () => {
  let writes = 0;
  const away = Object.assign(new Error('away'), {
    name: 'LoadstoneError',
    code: 'outcome_unknown',
    status: 503,
  });
  const groups = createGroups(async () => {
    writes++;
    throw away;
  });
  const calls = await Promise.allSettled([groups.enqueue([job()]), groups.enqueue([job()])]);
  assert.deepEqual(
    calls.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(writes, 1);
});

test('more waiting jobs than there may be are refused', async () => {
  const { groups, writes } = held();
  const call = () => groups.enqueue(Array.from({ length: 10_000 }, job));
  const calls = [call(), call()];
  await turns();
  calls.push(...Array.from({ length: 10 }, call));
  await assert.rejects(call(), { code: 'queue_full' });
  await turns();
  for (let at = 0; at < writes.length; at++) {
    writes[at]!.settle.resolve();
    await turns();
  }
  await Promise.all(calls);
});
