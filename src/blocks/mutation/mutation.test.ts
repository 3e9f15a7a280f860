import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { defineErrors } from '#base/errors';
import { silentLog } from '#base/log';
import { createMasterKey } from '#base/master-key';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createTracer } from '#base/trace';
import { isConstraintViolation, sql } from '#blocks/database';
import {
  createIdempotency,
  idempotencyMigrations,
  idempotencyOptions,
  type Outcome,
} from '#blocks/idempotency';
import { createIds, createPostgresWorkerLeases, idsMigrations, idsOptions } from '#blocks/ids';
import { createPostgresLeases, leasesMigrations } from '#blocks/leases';
import { createOutbox, outboxMigrations, outboxOptions } from '#blocks/outbox';
import { createQueue, queueMigrations, queueOptions } from '#blocks/queue';
import { createPostgresStreams, createStreams, streamMigrations, streamOptions } from '#blocks/stream';
import { eventually, startTestDatabase, type TestDatabase } from '#fixtures/database';
import { createMutations, type Mutation, type Mutations, type MutationTx } from './mutation.ts';
import { mutationOptions } from './options.ts';

const errors = defineErrors('mutation_test', {
  test_refused: { status: 422, title: 'Refused', doc: 'A refusal of the rule.' },
  test_unavailable: { status: 503, title: 'Not now', retryable: true, doc: 'A failure.' },
});

const never = () => new AbortController().signal;

/** Everything that a server has below its routes, on one Postgres. */
async function startGround(it: TestDatabase) {
  const { database, signals } = it;
  const tracer = createTracer(systemRandom);
  const common = { clock: systemClock, random: systemRandom, log: silentLog, signals, tracer, database };
  const ids = createIds(parseOptions(idsOptions, {}), {
    ...common,
    store: createPostgresWorkerLeases(database.core),
  });
  const leases = createPostgresLeases(database.core);
  const streams = createStreams(parseOptions(streamOptions, {}), {
    ...common,
    store: createPostgresStreams(database.core),
  });
  const outbox = createOutbox(parseOptions(outboxOptions, {}), { ...common, ids, leases, streams });
  const queue = createQueue(parseOptions(queueOptions, {}), {
    ...common,
    ids,
    leader: { held: () => true },
    definitions: [{ name: 'mail' }],
    schedules: [],
  });
  const masterKey = createMasterKey(systemRandom.bytes(32), systemRandom);
  const idempotency = createIdempotency(parseOptions(idempotencyOptions, {}), {
    ...common,
    masterKey,
    core: database.core,
  });
  const parts = [ids, streams, outbox, queue, idempotency];
  for (const part of parts) await part.start(never());
  await streams.declare('things');
  return {
    mutations: createMutations(parseOptions(mutationOptions, {}), { ...common, idempotency, outbox, queue }),
    ids,
    streams,
    queue,
    async stop() {
      for (const part of parts.toReversed()) await part.stop(never());
    },
  };
}

describe('mutation', () => {
  let it: TestDatabase;
  let ground: Awaited<ReturnType<typeof startGround>>;
  let mutations: Mutations;
  before(async () => {
    const migrations = [
      ...[idsMigrations, leasesMigrations, streamMigrations, outboxMigrations, queueMigrations],
      idempotencyMigrations,
    ];
    it = await startTestDatabase({ migrations });
    await it.admin.run(sql`create table public.things (name text primary key)`);
    await it.admin.run(sql`grant all on public.things to loadstone_app`);
    ground = await startGround(it);
    mutations = ground.mutations;
  });
  after(async () => {
    await ground.stop();
    await it.stop();
  });

  function mutation(key?: string, body: unknown = {}): Mutation {
    const keyed = { keyId: 'root', route: 'POST /v1/things', path: '/v1/things', body };
    return {
      placement: { system: 'test', workspaceId: '1', shardKey: 'x' },
      keyed: key === undefined ? undefined : { ...keyed, key },
      traceparent: undefined,
      signal: never(),
    };
  }

  const make =
    (name: string) =>
    async (tx: MutationTx): Promise<Outcome> => {
      await tx.run(sql`insert into public.things (name) values (${name})`);
      tx.publish({ stream: 'things', type: 'thing.made', key: name, payload: { name } });
      const jobId = tx.enqueue({ queue: 'mail', payload: { name } });
      return { status: 201, headers: {}, body: { name, jobId } };
    };

  async function traces(name: string) {
    const count = async (query: ReturnType<typeof sql<{ n: string }>>) =>
      Number((await it.admin.first(query))?.n);
    return {
      rows: await count(sql`select count(*) as n from public.things where name = ${name}`),
      jobs: await count(sql`select count(*) as n from core.jobs where payload::jsonb->>'name' = ${name}`),
      events: await count(sql`select count(*) as n from core.stream_events where key = ${name}`),
    };
  }

  /** Events reach the log behind the commit. */
  async function settled(name: string, events: number) {
    await eventually(`${events} events of ${name}`, async () => (await traces(name)).events === events);
    return traces(name);
  }

  test('rows, event and job appear together', async () => {
    const { outcome, isReplayed } = await mutations.run(mutation(), make('together'));
    assert.deepEqual([outcome.status, isReplayed], [201, false]);
    assert.deepEqual(await settled('together', 1), { rows: 1, jobs: 1, events: 1 });
  });

  test('none of them, when the rule throws after making them', async () => {
    const rule = async (tx: MutationTx): Promise<Outcome> => {
      await make('none')(tx);
      throw errors.test_unavailable();
    };
    await assert.rejects(mutations.run(mutation('none-key'), rule), { code: 'test_unavailable' });
    assert.deepEqual(await traces('none'), { rows: 0, jobs: 0, events: 0 });
    const again = await mutations.run(mutation('none-key'), make('none'));
    assert.equal(again.isReplayed, false, 'a failure is not kept');
  });

  test('a keyed request has one outcome, its own refusal included', async () => {
    const first = await mutations.run(mutation('key-1'), make('once'));
    const second = await mutations.run(mutation('key-1'), make('once'));
    const headers = { 'idempotency-replayed': 'true' };
    assert.deepEqual(second, { outcome: { ...first.outcome, headers }, isReplayed: true });
    assert.deepEqual(await settled('once', 1), { rows: 1, jobs: 1, events: 1 });
    await assert.rejects(mutations.run(mutation('key-1', { other: 1 }), make('twice')), {
      code: 'idempotency_key_reused',
    });

    let runs = 0;
    const refuse = async (tx: MutationTx): Promise<Outcome> => {
      runs += 1;
      await make('refused')(tx);
      throw errors.test_refused({
        detail: 'not like this',
        errors: [{ pointer: '/name', detail: 'is bad' }],
      });
    };
    for (let i = 0; i < 3; i++) {
      await assert.rejects(mutations.run(mutation('key-2'), refuse), {
        code: 'test_refused',
        status: 422,
        message: 'not like this',
        errors: [{ pointer: '/name', detail: 'is bad' }],
      });
    }
    assert.equal(runs, 1);
    assert.deepEqual(await traces('refused'), { rows: 0, jobs: 0, events: 0 });
  });

  test('64 equal requests at once make one thing; each answer is that one or 409, and all agree when repeated', async () => {
    const ask = () => mutations.run(mutation('storm'), make('storm'));
    const answers = await Promise.allSettled(Array.from({ length: 64 }, ask));
    const done = answers
      .filter((answer) => answer.status === 'fulfilled')
      .map((answer) => answer.value.outcome);
    assert(done.length >= 1);
    for (const outcome of done) assert.deepEqual(outcome.body, done[0]?.body);
    for (const answer of answers) {
      if (answer.status === 'rejected') assert.equal(answer.reason.code, 'idempotency_in_progress');
    }
    for (let i = 0; i < 64; i++) assert.deepEqual((await ask()).outcome.body, done[0]?.body);
    assert.deepEqual(await settled('storm', 1), { rows: 1, jobs: 1, events: 1 });
  });

  test('a violated constraint of the rule comes out as it is and is not kept', async () => {
    await mutations.run(mutation(), make('taken'));
    await assert.rejects(mutations.run(mutation('taken-key'), make('taken')), (error) =>
      isConstraintViolation(error, 'things_pkey'),
    );
  });

  test('a job that is refused for its twin undoes the rule', async () => {
    const rule = (name: string) => async (tx: MutationTx) => {
      await tx.run(sql`insert into public.things (name) values (${name})`);
      tx.publish({ stream: 'things', type: 'thing.made', key: name, payload: { name } });
      const jobId = tx.enqueue({ queue: 'mail', payload: { name }, uniqueKey: 'only one' });
      return { status: 201, headers: {}, body: { jobId } };
    };
    await mutations.run(mutation(), rule('first twin'));
    await assert.rejects(mutations.run(mutation(), rule('second twin')), { code: 'job_duplicate' });
    assert.deepEqual(await traces('second twin'), { rows: 0, jobs: 0, events: 0 });
    for (let i = 0; i < 2; i++) {
      const refused = mutations.run(mutation('twin-key'), rule('third twin'));
      await assert.rejects(refused, { code: 'job_duplicate' });
    }
    assert.deepEqual(await traces('third twin'), { rows: 0, jobs: 0, events: 0 });
  });

  test('what cannot be written with the commit undoes the rule', async () => {
    const rule = async (tx: MutationTx): Promise<Outcome> => {
      await make('undone')(tx);
      tx.publish({ stream: 'nowhere', type: 'x', key: 'x', payload: {} });
      return { status: 201, headers: {}, body: {} };
    };
    await assert.rejects(mutations.run(mutation(), rule), { code: 'stream_unknown' });
    assert.deepEqual(await traces('undone'), { rows: 0, jobs: 0, events: 0 });
  });

  test('a rule that has ended takes no more events and jobs', async () => {
    let leaked: MutationTx | undefined;
    await mutations.run(mutation(), async (tx) => {
      leaked = tx;
      return make('leaky')(tx);
    });
    assert.throws(() => leaked?.publish({ stream: 'things', type: 'x', key: 'x', payload: {} }), /has ended/);
    assert.throws(() => leaked?.enqueue({ queue: 'mail', payload: {} }), /has ended/);
  });
});
