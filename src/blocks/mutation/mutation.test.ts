import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Type from 'typebox';
import { defineErrors } from '#base/errors';
import { eventually } from '#base/testing/eventually.fixture';
import { isConstraintViolation, sql } from '#blocks/database';
import type { Outcome } from '#blocks/idempotency';
import { defineQueue } from '#blocks/queue';
import { defineEvent } from '#blocks/stream';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { groundMigrations, mutationOf, startGround, type TestGround } from './ground.fixture.ts';
import type { Mutations, MutationTx } from './port.ts';
import type { Mutation, MutationResult } from './request.ts';

const errors = defineErrors('mutation_test', {
  test_refused: { status: 422, title: 'Refused', doc: 'A refusal of the rule.' },
  test_unavailable: { status: 503, title: 'Not now', retryable: true, doc: 'A failure.' },
});

const Named = Type.Object({ name: Type.String() });
const byName = { key: ({ name }: { name: string }) => name };
const thingMade = defineEvent('thing.made', Named, { stream: 'things', ...byName });
const toldNowhere = defineEvent('x', Named, { stream: 'nowhere', ...byName });
const mail = defineQueue('mail', Named);

describe('mutation', () => {
  let it: TestDatabase;
  let ground: TestGround;
  let mutations: Mutations;
  let run: (mutation: Mutation, rule: (tx: MutationTx) => Promise<Outcome>) => Promise<MutationResult>;
  before(async () => {
    it = await startTestDatabase({ migrations: groundMigrations });
    await it.admin.run(sql`create table public.things (name text primary key)`);
    await it.admin.run(sql`grant all on public.things to loadstone_app`);
    ground = await startGround(it);
    mutations = ground.mutations;
    run = (mutation, rule) => mutations.run(mutation, rule, (outcome) => outcome);
  });
  after(async () => {
    await ground.stop();
    await it.stop();
  });

  const make =
    (name: string) =>
    async (tx: MutationTx): Promise<Outcome> => {
      await tx.run(sql`insert into public.things (name) values (${name})`);
      tx.publish(thingMade.of({ name }));
      const jobId = tx.enqueue(mail.job({ name }));
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
    const { outcome, isReplayed } = await run(mutationOf(), make('together'));
    assert.deepEqual([outcome.status, isReplayed], [201, false]);
    assert.deepEqual(await settled('together', 1), { rows: 1, jobs: 1, events: 1 });
  });

  test('none of them, when the rule throws after making them', async () => {
    const rule = async (tx: MutationTx): Promise<Outcome> => {
      await make('none')(tx);
      throw errors.test_unavailable();
    };
    await assert.rejects(run(mutationOf('none-key'), rule), { code: 'test_unavailable' });
    assert.deepEqual(await traces('none'), { rows: 0, jobs: 0, events: 0 });
    const again = await run(mutationOf('none-key'), make('none'));
    assert.equal(again.isReplayed, false, 'a failure is not kept');
  });

  test('a keyed request has one outcome', async () => {
    const first = await run(mutationOf('key-1'), make('once'));
    const second = await run(mutationOf('key-1'), make('once'));
    const headers = { 'idempotency-replayed': 'true' };
    assert.deepEqual(second, { outcome: { ...first.outcome, headers }, isReplayed: true });
    assert.deepEqual(await settled('once', 1), { rows: 1, jobs: 1, events: 1 });
    await assert.rejects(run(mutationOf('key-1', { other: 1 }), make('twice')), {
      code: 'idempotency_key_reused',
    });
  });

  test('a refusal undoes what the rule did and frees the key, for the same request and for a corrected one', async () => {
    let runs = 0;
    const refuse = async (tx: MutationTx): Promise<Outcome> => {
      runs += 1;
      await make('refused')(tx);
      throw errors.test_refused({
        detail: 'not like this',
        errors: [{ pointer: '/name', detail: 'is bad' }],
      });
    };
    for (const body of [{}, {}, { other: 1 }]) {
      await assert.rejects(run(mutationOf('key-2', body), refuse), {
        code: 'test_refused',
        status: 422,
        message: 'not like this',
        errors: [{ pointer: '/name', detail: 'is bad' }],
      });
    }
    assert.equal(runs, 3);
    assert.deepEqual(await traces('refused'), { rows: 0, jobs: 0, events: 0 });
    const kept = await it.admin.first<{ n: string }>(sql`
      select count(*) as n from core.idempotency_records where workspace_id = 1`);
    const corrected = await run(mutationOf('key-2', { name: 'corrected' }), make('corrected'));
    assert.equal(corrected.isReplayed, false);
    const again = await run(mutationOf('key-2', { name: 'corrected' }), refuse);
    assert.deepEqual([again.isReplayed, again.outcome.body], [true, corrected.outcome.body]);
    await assert.rejects(run(mutationOf('key-2'), refuse), { code: 'idempotency_key_reused' });
    const after = await it.admin.first<{ n: string }>(sql`
      select count(*) as n from core.idempotency_records where workspace_id = 1`);
    assert.equal(Number(after?.n) - Number(kept?.n), 1, 'refusals leave nothing');
  });

  test('64 equal requests at once make one thing; each answer is that one or 409, and all agree when repeated', async () => {
    const ask = () => run(mutationOf('storm'), make('storm'));
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
    await run(mutationOf(), make('taken'));
    await assert.rejects(run(mutationOf('taken-key'), make('taken')), (error) =>
      isConstraintViolation(error, 'things_pkey'),
    );
  });

  test('a job that is refused for its twin undoes the rule', async () => {
    const rule = (name: string) => async (tx: MutationTx) => {
      await tx.run(sql`insert into public.things (name) values (${name})`);
      tx.publish(thingMade.of({ name }));
      const jobId = tx.enqueue(mail.job({ name }, { uniqueKey: 'only one' }));
      return { status: 201, headers: {}, body: { jobId } };
    };
    await run(mutationOf(), rule('first twin'));
    await assert.rejects(run(mutationOf(), rule('second twin')), { code: 'job_duplicate' });
    assert.deepEqual(await traces('second twin'), { rows: 0, jobs: 0, events: 0 });
    for (let i = 0; i < 2; i++) {
      const refused = run(mutationOf('twin-key'), rule('third twin'));
      await assert.rejects(refused, { code: 'job_duplicate' });
    }
    assert.deepEqual(await traces('third twin'), { rows: 0, jobs: 0, events: 0 });
  });

  test('what cannot be written with the commit undoes the rule', async () => {
    const rule = async (tx: MutationTx): Promise<Outcome> => {
      await make('undone')(tx);
      tx.publish(toldNowhere.of({ name: 'x' }));
      return { status: 201, headers: {}, body: {} };
    };
    await assert.rejects(run(mutationOf(), rule), { code: 'stream_unknown' });
    assert.deepEqual(await traces('undone'), { rows: 0, jobs: 0, events: 0 });
  });

  test('a payload that does not fit its definition undoes the rule; a literal is taken by nobody', async () => {
    const misfit = { name: 7 } as never;
    const literal = { stream: 'things', type: 'thing.made', key: 'x', payload: { name: 'x' } } as never;
    for (const [code, act] of [
      ['event_payload_invalid', (tx: MutationTx) => tx.publish(thingMade.of(misfit))],
      ['job_payload_invalid', (tx: MutationTx) => tx.enqueue(mail.job(misfit))],
      ['ERR_ASSERTION', (tx: MutationTx) => tx.publish(literal)],
      ['ERR_ASSERTION', (tx: MutationTx) => tx.enqueue(literal)],
    ] as const) {
      const rule = async (tx: MutationTx) => {
        const outcome = await make('misfit')(tx);
        act(tx);
        return outcome;
      };
      await assert.rejects(run(mutationOf('misfit-key'), rule), { code });
    }
    assert.deepEqual(await traces('misfit'), { rows: 0, jobs: 0, events: 0 });
    const again = await run(mutationOf('misfit-key'), make('fits'));
    assert.equal(again.isReplayed, false, 'nothing is kept of it');
  });

  test('a rule that has ended takes no more events and jobs', async () => {
    let leaked: MutationTx | undefined;
    await run(mutationOf(), async (tx) => {
      leaked = tx;
      return make('leaky')(tx);
    });
    assert.throws(() => leaked?.publish(thingMade.of({ name: 'x' })), /has ended/);
    assert.throws(() => leaked?.enqueue(mail.job({ name: 'x' })), /has ended/);
  });
});
