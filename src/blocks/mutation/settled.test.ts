import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createMetrics } from '#base/metrics';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { type Add, type Added, countAlone, countInSet, makeCounters } from './counter.fixture.ts';
import { groundMigrations, mutationOf, never, startGround, type TestGround } from './ground.fixture.ts';
import type { MutationResult } from './request.ts';
import type { Settled, Settling } from './settled.ts';

/** An entry with this text loses the connection of its transaction while that is being committed. */
const FRAGILE = 'fragile';

let it: TestDatabase;
let ground: TestGround;
let next = 0;

before(async () => {
  it = await startTestDatabase({ migrations: groundMigrations });
  await makeCounters(it.admin, 40, 1000);
  await it.admin.run(sql`
    create function public.break_off() returns trigger language plpgsql security definer as
    'begin perform pg_terminate_backend(pg_backend_pid()); return null; end'`);
  await it.admin.run(sql`
    create constraint trigger fragile after insert on public.entries deferrable initially deferred
    for each row when (new.text = 'fragile') execute function public.break_off()`);
  ground = await startGround(it);
});
after(async () => {
  await ground.stop();
  await it.stop();
});

const fresh = () => `c${next++}`;
const reply = (value: Added) => ({ status: 201, headers: {}, body: value });

type Told = Settled<string>;

/** Keeps what it is told. */
function listener(): Settling<Added, string> & { told: Told[] } {
  const told: Told[] = [];
  return {
    told,
    changeOf: ({ counter, n }) => `${counter}/${n}`,
    onSettled: (settled) => void told.push(settled),
  };
}

interface Asking {
  key?: string;
  signal?: AbortSignal;
  by?: TestGround;
}

type Way = (input: Add, settling: Settling<Added, string>, asking?: Asking) => Promise<MutationResult>;

const ways: Record<string, Way> = {
  'one by one': (input, settling, { key, signal = never(), by = ground } = {}) =>
    by.mutations.run(
      { ...mutationOf(key, { ...input }), signal },
      (tx) => countAlone(tx, input),
      reply,
      settling,
    ),
  'in sets': (input, settling, { key, signal = never(), by = ground } = {}) =>
    by.mutations.runInSet({ ...mutationOf(key, { ...input }), signal }, countInSet, input, reply, settling),
};

const kinds = (told: readonly Told[]) => told.map(({ kind }) => kind);

for (const [name, add] of Object.entries(ways)) {
  describe(`what has become of mutations ${name} is told once`, () => {
    test('of one that is committed, before its caller is answered', async () => {
      const counter = fresh();
      const settling = listener();
      const answered = add({ counter, text: 'x' }, settling).then(() => kinds(settling.told));
      assert.deepEqual(await answered, ['committed']);
      assert.deepEqual(settling.told, [{ kind: 'committed', change: `${counter}/1` }]);
    });

    test('of one that is refused: by its rule, for a job after it, and before it has begun', async () => {
      const counter = fresh();
      await it.admin.run(sql`update public.counters set n_max = 1 where counter = ${counter}`);
      const job = { uniqueKey: counter, onDuplicate: 'reject' as const };
      await add({ counter, text: 'x', job }, listener());
      const full = listener();
      await assert.rejects(add({ counter, text: 'x' }, full), { code: 'counter_full' });
      assert.deepEqual(kinds(full.told), ['refused']);

      const other = fresh();
      const twin = listener();
      await assert.rejects(add({ counter: other, text: 'x', job }, twin), { code: 'job_duplicate' });
      assert.deepEqual(kinds(twin.told), ['refused']);

      const poisoned = listener();
      await assert.rejects(add({ counter: other, text: 'a\0b' }, poisoned));
      assert.deepEqual(kinds(poisoned.told), ['refused']);

      const late = listener();
      await assert.rejects(add({ counter: other, text: 'x' }, late, { signal: AbortSignal.abort() }));
      assert.deepEqual(kinds(late.told), ['refused']);
    });

    test('of one whose outcome is not known, with what it may have changed', async () => {
      const counter = fresh();
      const settling = listener();
      await assert.rejects(add({ counter, text: FRAGILE }, settling), { code: 'outcome_unknown' });
      const [told] = settling.told;
      assert(told?.kind === 'unknown' && settling.told.length === 1);
      assert.equal(told.change, `${counter}/1`);
      assert.equal((told.error as { code?: string }).code, 'outcome_unknown');
    });

    test('of a repeated request, with what the first one changed, by any process', async () => {
      const counter = fresh();
      const key = `${name} ${counter}`;
      await add({ counter, text: 'x' }, listener(), { key });
      const elsewhere = await startGround({ database: it.database, metrics: createMetrics() }, {}, false);
      for (const by of [ground, elsewhere]) {
        const settling = listener();
        const { outcome, isReplayed } = await add({ counter, text: 'x' }, settling, { key, by });
        assert.deepEqual([isReplayed, outcome.body], [true, { counter, n: 1 }]);
        assert.deepEqual(settling.told, [{ kind: 'committed', change: `${counter}/1` }]);
        const other = listener();
        await assert.rejects(add({ counter, text: 'y' }, other, { key, by }), {
          code: 'idempotency_key_reused',
        });
        assert.deepEqual(kinds(other.told), ['refused']);
      }
      await elsewhere.stop();
    });

    test('of equal requests at once, each by its own listener', async () => {
      const counter = fresh();
      const key = `${name} ${counter}`;
      const listeners = Array.from({ length: 8 }, listener);
      const results = await Promise.allSettled(
        listeners.map((settling) => add({ counter, text: 'x' }, settling, { key })),
      );
      for (const [at, { status }] of results.entries()) {
        const expected = status === 'fulfilled' ? 'committed' : 'refused';
        assert.deepEqual(kinds(listeners[at]?.told ?? []), [expected]);
      }
    });

    test('a listener that throws fails its own call alone, and what was written stays', async () => {
      const counter = fresh();
      const throwing: Settling<Added, string> = {
        changeOf: () => '',
        onSettled() {
          throw new Error('this listener is broken');
        },
      };
      const calls = [add({ counter, text: 'x' }, throwing), add({ counter, text: 'y' }, listener())];
      const results = await Promise.allSettled(calls);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['rejected', 'fulfilled'],
      );
      const left = await it.admin.first<{ n: number }>(
        sql`select n from public.counters where counter = ${counter}`,
      );
      assert.equal(left?.n, 2);
    });
  });
}

describe('in sets', () => {
  const add = ways['in sets'] as Way;

  test('a call whose caller has gone is told of when its set has ended', async () => {
    const counter = fresh();
    const settling = listener();
    const gone = new AbortController();
    const placement = { system: 'test', workspaceId: '1', bucket: 0 };
    await it.database.transact(placement, { signal: never() }, async (tx) => {
      await tx.run(sql`select from public.counters where counter = ${counter} for update`);
      const call = add({ counter, text: 'x' }, settling, { signal: gone.signal });
      await eventually('its set waits for the row', async () => {
        const waiting = await it.admin.first(sql`select from pg_locks where not granted`);
        return waiting !== undefined;
      });
      gone.abort(new Error('the deadline has passed'));
      await assert.rejects(call, /deadline has passed/);
      assert.deepEqual(settling.told, [], 'nobody knows yet');
    });
    await eventually('it is told', async () => settling.told.length > 0);
    assert.deepEqual(settling.told, [{ kind: 'committed', change: `${counter}/1` }]);
  });

  test('calls of one set are told of by what has become of each', async () => {
    const counter = fresh();
    const [good, bad, unknown] = [listener(), listener(), listener()];
    const results = await Promise.allSettled([
      add({ counter, text: 'x' }, good),
      add({ counter, text: 'x', isBroken: true }, bad),
      add({ counter: 'nobody', text: 'x' }, unknown),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    );
    assert.deepEqual(
      [good, bad, unknown].map(({ told }) => kinds(told)),
      [['committed'], ['refused'], ['refused']],
    );
  });

  test('all calls of a set whose commit is not answered are of unknown outcome', async () => {
    const [one, other] = [fresh(), fresh()];
    const listeners = [listener(), listener()] as const;
    await Promise.allSettled([
      add({ counter: one, text: FRAGILE }, listeners[0]),
      add({ counter: other, text: 'x' }, listeners[1]),
    ]);
    assert.deepEqual(
      listeners.map(({ told }) => kinds(told)),
      [['unknown'], ['unknown']],
    );
  });

  test('calls that may not wait, or leave before they are sent, are refused', async () => {
    const small = await startGround(
      { database: it.database, metrics: createMetrics() },
      { setWaitingMax: 2 },
      false,
    );
    const counter = fresh();
    const leaving = new AbortController();
    const listeners = Array.from({ length: 3 }, listener);
    const calls = listeners.map((settling, at) =>
      add({ counter, text: 'x' }, settling, { by: small, ...(at === 1 ? { signal: leaving.signal } : {}) }),
    );
    leaving.abort(new Error('gone'));
    await Promise.allSettled(calls);
    assert.deepEqual(
      listeners.map(({ told }) => kinds(told)),
      [['committed'], ['refused'], ['refused']],
    );
    await small.stop();
  });
});
