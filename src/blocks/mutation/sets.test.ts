import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createMetrics } from '#base/metrics';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { type Add, type Added, countAlone, countInSet, makeCounters } from './counter.fixture.ts';
import { groundMigrations, mutationOf, never, startGround, type TestGround } from './ground.fixture.ts';
import type { MutationResult } from './request.ts';

const COUNTERS = 40;
const N_MAX = 1000;

let it: TestDatabase;
let ground: TestGround;
let next = 0;

before(async () => {
  it = await startTestDatabase({ migrations: groundMigrations });
  await makeCounters(it.admin, COUNTERS, N_MAX);
  ground = await startGround(it);
});
after(async () => {
  await ground.stop();
  await it.stop();
});

/** A counter that no other test has. */
const fresh = () => `c${next++}`;

const reply = (value: Added) => ({ status: 201, headers: {}, body: value });

function add(input: Add, key?: string, signal?: AbortSignal): Promise<MutationResult> {
  const mutation = mutationOf(key, input);
  return ground.mutations.runInSet(signal ? { ...mutation, signal } : mutation, countInSet, input, reply);
}

const numbersOf = (results: readonly MutationResult[]) =>
  results.map(({ outcome }) => (outcome.body as Added).n).sort((a, b) => a - b);

async function entries(counter: string): Promise<{ n: number; text: string }[]> {
  return it.admin.rows(sql`select n, text from public.entries where counter = ${counter} order by n`);
}

async function told(counter: string, count: number): Promise<number[]> {
  const read = async () => {
    const rows = await it.admin.rows<{ n: number }>(sql`
      select (payload->>'n')::integer as n from core.stream_events where key = ${counter} order by position`);
    return rows.length >= count ? rows.map(({ n }) => n) : undefined;
  };
  return eventually(`${count} events of ${counter}`, read);
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** How many transactions of sets Postgres has committed for `work`. */
async function transactionsOf(counter: string): Promise<number> {
  const row = await it.admin.first<{ count: string }>(sql`
    select count(distinct xmin::text) as count from public.entries where counter = ${counter}`);
  return Number(row?.count);
}

describe('sets', () => {
  test('calls on one aggregate see each other, and travel together', async () => {
    const counter = fresh();
    const results = await Promise.all(upTo(100).map((i) => add({ counter, text: `t${i}` })));
    assert.deepEqual(numbersOf(results), upTo(100));
    assert.deepEqual(
      (await entries(counter)).map(({ n }) => n),
      upTo(100),
    );
    assert.deepEqual(await told(counter, 100), upTo(100));
    assert.equal(await transactionsOf(counter), 1, 'what came in one turn went in one transaction');
  });

  test('a refusal is its own: the others are carried out, and its key is free', async () => {
    const counter = fresh();
    await it.admin.run(sql`update public.counters set n_max = 3 where counter = ${counter}`);
    const calls = upTo(5).map((i) => add({ counter, text: `t${i}` }, `${counter}-${i}`));
    const results = await Promise.allSettled(calls);
    const refused = results.filter(({ status }) => status === 'rejected');
    assert.equal(refused.length, 2);
    assert.deepEqual(
      (await entries(counter)).map(({ n }) => n),
      upTo(3),
    );
    await it.admin.run(sql`update public.counters set n_max = 30 where counter = ${counter}`);
    assert.equal((await add({ counter, text: 't5' }, `${counter}-5`)).isReplayed, false);
    await assert.rejects(add({ counter: 'none', text: '' }), { code: 'counter_unknown' });
  });

  test('a poisoned call among a hundred fails alone', async () => {
    const counter = fresh();
    const other = fresh();
    const misfits = (['event', 'job'] as const).map((misfit) => ({ text: 'x', misfit }));
    const poisons = [{ text: 'a\0b' }, { text: 'x', isBroken: true }, ...misfits];
    for (const poison of poisons) {
      const calls = upTo(100).map((i) =>
        i === 37 ? add({ counter: other, ...poison }) : add({ counter: i % 2 ? counter : other, text: 'x' }),
      );
      const results = await Promise.allSettled(calls);
      assert.deepEqual(
        results.flatMap(({ status }, at) => (status === 'rejected' ? [at + 1] : [])),
        [37],
      );
    }
    assert.equal((await entries(counter)).length + (await entries(other)).length, 4 * 99);
  });

  test('equal requests in one set have one outcome; another body under the same key is refused', async () => {
    const counter = fresh();
    const same = upTo(20).map(() => add({ counter, text: 'same' }, `${counter}-key`));
    const another = add({ counter, text: 'another' }, `${counter}-key`);
    const [results] = await Promise.all([
      Promise.all(same),
      assert.rejects(another, { code: 'idempotency_key_reused' }),
    ]);
    assert.deepEqual(new Set(numbersOf(results)), new Set([1]));
    assert.equal(results.filter(({ isReplayed }) => isReplayed).length, 19);
    assert.equal((await add({ counter, text: 'same' }, `${counter}-key`)).isReplayed, true);
    assert.deepEqual(await entries(counter), [{ n: 1, text: 'same' }]);
  });

  test('a call whose deadline passes ends alone; one that was not sent is not carried out', async () => {
    const counter = fresh();
    const given = new AbortController();
    const gone = new Error('its time has run out');
    const calls = upTo(10).map((i) =>
      add({ counter, text: `t${i}` }, undefined, i === 5 ? given.signal : undefined),
    );
    given.abort(gone);
    const results = await Promise.allSettled(calls);
    assert.deepEqual(
      results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])),
      [gone],
    );
    assert.equal((await entries(counter)).length, 9);
  });

  test('a row that is locked elsewhere holds up its own calls alone', async () => {
    const [locked, free] = [fresh(), fresh()];
    let waiting: Promise<MutationResult>[] = [];
    const placement = { system: 'test', workspaceId: '1', bucket: 0 };
    await it.database.transact(placement, { signal: never() }, async (tx) => {
      await tx.run(sql`select from public.counters where counter = ${locked} for update`);
      waiting = upTo(3).map((i) => add({ counter: locked, text: `w${i}` }));
      for (const text of ['f', 'g']) {
        const results = await Promise.all(upTo(30).map(() => add({ counter: free, text })));
        assert.equal(results.length, 30);
      }
      assert.deepEqual(await entries(locked), []);
    });
    assert.deepEqual(numbersOf(await Promise.all(waiting)), upTo(3));
  });

  test('a job that has a twin refuses its call, with nothing of it written', async () => {
    const counter = fresh();
    const job = (uniqueKey: string) => ({
      uniqueKey: `${counter} ${uniqueKey}`,
      onDuplicate: 'reject' as const,
    });
    await add({ counter, text: 'first', job: job('a') });
    const calls = upTo(20).map((i) =>
      add({ counter, text: `t${i}`, job: job(i % 5 === 0 ? 'a' : `own ${i}`) }, `${counter}-${i}`),
    );
    const results = await Promise.allSettled(calls);
    const refused = results.flatMap((each, at) => (each.status === 'rejected' ? [at + 1] : []));
    assert.deepEqual(refused, [5, 10, 15, 20]);
    for (const each of results)
      if (each.status === 'rejected') assert.equal(each.reason.code, 'job_duplicate');
    assert.deepEqual(
      (await entries(counter)).map(({ n }) => n),
      upTo(17),
      'numbers have no holes',
    );
    assert.deepEqual(await told(counter, 17), upTo(17));
    const twice = [add({ counter, text: 'x', job: job('b') }), add({ counter, text: 'y', job: job('b') })];
    const outcomes = (await Promise.allSettled(twice)).map(({ status }) => status).sort();
    assert.deepEqual(outcomes, ['fulfilled', 'rejected']);
  });

  test('jobs of two calls that replace each other are written one after the other', async () => {
    const counter = fresh();
    const job = { uniqueKey: `${counter} one`, onDuplicate: 'replace' as const };
    await Promise.all(upTo(4).map((i) => add({ counter, text: `t${i}`, job })));
    const counted = async (table: 'jobs' | 'job_history') =>
      it.admin.first<{ count: string }>(
        table === 'jobs'
          ? sql`select count(*) as count from core.jobs where unique_key = ${job.uniqueKey}`
          : sql`select count(*) as count from core.job_history where outcome = 'replaced' and queue = 'mail'`,
      );
    assert.equal((await counted('jobs'))?.count, '1');
    assert.equal((await counted('job_history'))?.count, '3');
  });

  test('sets and single mutations of one aggregate have one order', async () => {
    const counter = fresh();
    const alone = () =>
      ground.mutations.run(mutationOf(), (tx) => countAlone(tx, { counter, text: 'alone' }), reply);
    const calls = upTo(60).map((i) => (i % 3 === 0 ? alone() : add({ counter, text: 'in a set' })));
    assert.deepEqual(numbersOf(await Promise.all(calls)), upTo(60));
    assert.deepEqual(await told(counter, 60), upTo(60));
  });

  test('more calls than may wait are refused at once', async () => {
    const small = await startGround(
      { database: it.database, metrics: createMetrics() },
      { setWaitingMax: 5, setCallsMax: 2 },
    );
    const counter = fresh();
    const calls = upTo(9).map((i) =>
      small.mutations.runInSet(mutationOf(), countInSet, { counter, text: `t${i}` }, reply),
    );
    const results = await Promise.allSettled(calls);
    const codes = results.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []));
    assert.deepEqual(codes, Array(4).fill('database_busy'));
    assert.equal((await entries(counter)).length, 5);
    await small.stop();
  });
});
