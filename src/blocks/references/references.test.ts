import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { sessionsWith } from '#fixtures/database';
import { type Ground, handJob, never, startGround } from './ground.fixture.ts';
import { referencesOptions } from './options.ts';
import { createReferences } from './references.ts';
import { referenceSchedules } from './sweep.ts';
import { mentionOf, postAuthor, teamOwner } from './systems.fixture.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const traceIdOf = ({ traceparent }: { traceparent: string | null }) => traceparent?.slice(3, 35);

function createGate() {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const pause = () => {
    reach();
    return opened;
  };
  return { pause, open, reached };
}

describe('references', () => {
  let ground: Ground;
  before(async () => {
    ground = await startGround();
  });
  after(() => ground.stop());

  const check = (name: string) => ground.references.check(name, { signal: never() });

  async function working(use: () => Promise<unknown>): Promise<void> {
    const worker = await ground.startWorker();
    try {
      await use();
    } finally {
      await worker.stop(AbortSignal.timeout(10_000));
    }
  }

  const jobsOf = async (personId: string) =>
    ground.it.admin.rows<{ traceparent: string | null; workspace_id: string }>(sql`
      select traceparent, workspace_id from core.jobs where payload::jsonb->>'targetId' = ${personId}`);

  const hasJob = (personId: string) => eventually('a job', async () => (await jobsOf(personId)).length > 0);

  const isWaiting = () =>
    eventually('a wait for the lock', async () =>
      (await sessionsWith(ground.it, 'pg_advisory_xact_lock')).some((each) => each.wait_event === 'advisory'),
    );

  const removalsOf = (rowIds: readonly string[]) =>
    ground.it.admin.rows<{ key: string; traceparent: string | null }>(sql`
      select key, traceparent from core.stream_events where type = 'post.removed' and key = any(${rowIds}::text[])
      union all select key, traceparent from core.outbox where type = 'post.removed' and key = any(${rowIds}::text[])`);

  const rowIdsOf = async (personId: string) =>
    (
      await ground.it.admin.rows<{ row_id: string }>(
        sql`select row_id from feed.posts where person_id = ${personId}`,
      )
    ).map((row) => row.row_id);

  /** Jobs that others have gone on for. */
  async function handedOn(): Promise<number> {
    const row = await ground.it.admin.first<{ n: string }>(sql`
      select count(*) as n from core.job_history where queue = 'reference_cascade' and outcome = 'replaced'`);
    return Number(row?.n);
  }

  test('restrict: what is referred to is not deleted, and what is gone is not referred to', async () => {
    const { addPerson, refer, deletePerson, repoint } = ground;
    const [owner, other] = [await addPerson(), await addPerson()];
    const team = await refer('teams', owner);
    await assert.rejects(deletePerson(owner), {
      code: 'reference_held',
      status: 409,
      message: `team_owner: referred to by ${team} of feed`,
    });
    for (let i = 0; i < 5; i++) await refer('teams', owner);
    await assert.rejects(deletePerson(owner), { message: /(\d+, ){4}\d+ and others of feed$/ });
    await deletePerson(other);
    const missing = {
      code: 'reference_target_missing',
      status: 422,
      message: `team_owner: ${other} not there in people`,
    };
    await assert.rejects(refer('teams', other), missing);
    await assert.rejects(repoint('teams', team, other), missing);
    const spare = await addPerson();
    for (const { row_id: id } of await ground.it.admin.rows<{ row_id: string }>(
      sql`select row_id from feed.teams`,
    )) {
      await repoint('teams', id, spare);
    }
    await deletePerson(owner);
    const found = await check('team_owner');
    assert.equal(found.dangling, 0);
    assert.equal(found.onDelete, 'restrict');
  });

  test('cascade: rows go after their target, by the system’s own rule, in the trace of the deletion', async () => {
    const { addPerson, refer, deletePerson, count } = ground;
    const [author, other] = [await addPerson(), await addPerson()];
    const posts = [await refer('posts', author), await refer('posts', author)];
    await refer('posts', other);
    await deletePerson(author, { traceparent: TRACEPARENT });
    await hasJob(author);
    const jobs = await jobsOf(author);
    assert.deepEqual(jobs.map(traceIdOf), [traceIdOf({ traceparent: TRACEPARENT })]);
    assert.deepEqual(
      jobs.map(({ workspace_id }) => workspace_id),
      ['1'],
    );
    await working(() => eventually('no posts', async () => (await count('posts', author)) === 0));
    const removals = await removalsOf(posts);
    assert.deepEqual(removals.map(({ key }) => key).sort(), posts.toSorted());
    assert.deepEqual(new Set(removals.map(traceIdOf)), new Set([traceIdOf({ traceparent: TRACEPARENT })]));
    assert.equal(await count('posts', other), 1);
  });

  test('keep: rows stay, and are counted', async () => {
    const { addPerson, refer, deletePerson, count } = ground;
    const person = await addPerson();
    const mention = await refer('mentions', person);
    await deletePerson(person);
    assert.equal(await count('mentions', person), 1);
    assert.deepEqual(await check('mention_of'), {
      ...{ reference: 'mention_of', onDelete: 'keep', rows: 1, dangling: 1, underWay: 0 },
      first: [{ id: mention, workspaceId: '1', bucket: 1, to: person }],
    });
    await assert.rejects(refer('mentions', person), { code: 'reference_target_missing' });
  });

  test('the same id in another workspace is another target', async () => {
    const { addPerson, refer, deletePerson, count } = ground;
    const person = await addPerson('1');
    await addPerson('2', person);
    await refer('teams', person, { workspaceId: '2' });
    await refer('posts', person, { workspaceId: '2' });
    await refer('posts', person, { workspaceId: '1' });
    await deletePerson(person, { workspaceId: '1' });
    await hasJob(person);
    await working(() => eventually('no posts', async () => (await count('posts', person, '1')) === 0));
    assert.equal(await count('posts', person, '2'), 1);
    await assert.rejects(deletePerson(person, { workspaceId: '2' }), { code: 'reference_held' });
  });

  test('restrict: a deletion waits for a row that is being written, and the other way round', async () => {
    const { addPerson, refer, deletePerson } = ground;
    const person = await addPerson();
    const first = createGate();
    const writing = refer('teams', person, { pause: first.pause });
    await first.reached;
    const refused = assert.rejects(deletePerson(person), { code: 'reference_held' });
    await isWaiting();
    first.open();
    await Promise.all([writing, refused]);

    const other = await addPerson();
    const second = createGate();
    const deleting = deletePerson(other, { pause: second.pause });
    await second.reached;
    const missing = assert.rejects(refer('teams', other), { code: 'reference_target_missing' });
    await isWaiting();
    second.open();
    await Promise.all([deleting, missing]);
  });

  test('cascade: a row whose writer found the target there goes too', async () => {
    const { addPerson, refer, deletePerson, count } = ground;
    const person = await addPerson();
    const gate = createGate();
    const writing = refer('posts', person, { pause: gate.pause });
    await gate.reached;
    await deletePerson(person, { asks: false });
    await hasJob(person);
    await working(async () => {
      await isWaiting();
      gate.open();
      await writing;
      await eventually('no posts', async () => (await count('posts', person)) === 0);
    });
  });

  test('cascade: a target that is there again keeps its rows', async () => {
    const { addPerson, refer, deletePerson, count } = ground;
    const person = await addPerson();
    await refer('posts', person);
    await deletePerson(person);
    await hasJob(person);
    await addPerson('1', person);
    await working(() => eventually('no job', async () => (await jobsOf(person)).length === 0));
    assert.equal(await count('posts', person), 1);
  });

  test('cascade: a row that has come to refer to something else stays', async () => {
    const { addPerson, refer, deletePerson, repoint, count, references } = ground;
    const [person, heir] = [await addPerson(), await addPerson()];
    const post = await refer('posts', person);
    let looks = 0;
    const late = {
      ...postAuthor,
      from: {
        ...postAuthor.from,
        async remove(...given: Parameters<typeof postAuthor.from.remove>) {
          looks += 1;
          await repoint('posts', post, heir);
          return postAuthor.from.remove(...given);
        },
      },
    };
    await ground.it.admin.run(sql`delete from people.people where person_id = ${person}`);
    const { handlers } = createReferences(ground.options, {
      ...ground.deps,
      metrics: createMetrics(),
      declared: [late],
    });
    const job = handJob({ reference: 'post_author', targetId: person });
    assert.deepEqual(await handlers.reference_cascade?.(job), { removed: 0 });
    assert.deepEqual([looks, await count('posts', heir)], [1, 1]);
    await deletePerson(heir);
    await working(() => eventually('no posts', async () => (await count('posts', heir)) === 0));
    assert.equal((await references.check('post_author', { signal: never() })).underWay, 0);
  });

  test('a large fan-out goes in batches and jobs; one that is cut off is taken up by the next attempt', async () => {
    const { addPerson, plant, deletePerson, count, references } = ground;
    const person = await addPerson();
    await plant('posts', person, 130);
    const [posts, before] = [await rowIdsOf(person), await handedOn()];
    await deletePerson(person);
    await hasJob(person);

    const cut = new AbortController();
    const reason = new Error('killed');
    const job = handJob(
      { reference: 'post_author', targetId: person },
      { signal: cut.signal, onProgress: () => cut.abort(reason) },
    );
    const failed = assert.rejects(async () => references.handlers.reference_cascade?.(job), reason);
    await failed;
    const left = await count('posts', person);
    assert.equal(left, 120, 'one batch was committed');

    await working(() =>
      eventually(
        'no jobs',
        async () => (await jobsOf(person)).length === 0 && (await count('posts', person)) === 0,
      ),
    );
    assert.equal(await handedOn(), before + 3, 'four batches of ten in a job');
    const removals = await removalsOf(posts);
    assert.deepEqual(removals.map(({ key }) => key).sort(), posts.toSorted(), 'each removal told once');
  });

  test('a worker that stops in the midst leaves the rest to the next one', async () => {
    const { addPerson, plant, deletePerson, count } = ground;
    const person = await addPerson();
    await plant('posts', person, 300);
    await deletePerson(person);
    const worker = await ground.startWorker(1000);
    await eventually('some are gone', async () => (await count('posts', person)) < 300);
    await worker.stop(AbortSignal.abort(new Error('no time left')));
    await working(() => eventually('no posts', async () => (await count('posts', person)) === 0));
  });

  test('a rule that removes nothing fails its job, after three looks', async () => {
    const { addPerson, plant, options, deps } = ground;
    const person = await addPerson();
    await plant('posts', person, 1);
    await ground.it.admin.run(sql`delete from people.people where person_id = ${person}`);
    const stubborn = { ...postAuthor, from: { ...postAuthor.from, remove: async () => 0 } };
    const { handlers } = createReferences(options, {
      ...deps,
      metrics: createMetrics(),
      declared: [stubborn],
    });
    const run = (payload: { reference: string; targetId: string }) =>
      handlers.reference_cascade?.(handJob(payload));
    await assert.rejects(async () => run({ reference: 'post_author', targetId: person }), {
      code: 'reference_not_removed',
    });
    await assert.rejects(async () => run({ reference: 'forgotten', targetId: person }), {
      code: 'job_non_retryable',
    });
    await ground.it.admin.run(sql`delete from feed.posts where person_id = ${person}`);
  });

  test('check: what is about to be removed does not dangle, at any point of its way; what is not, does', async () => {
    const { addPerson, plant, deletePerson, drain } = ground;
    const person = await addPerson();
    await plant('posts', person, 20);
    const before = await check('post_author');
    assert.deepEqual([before.dangling, before.underWay], [0, 0]);
    await deletePerson(person);
    await eventually('a job', async () => {
      const { dangling, underWay } = await check('post_author');
      assert.deepEqual([dangling, underWay], [0, 20]);
      return (await jobsOf(person)).length > 0;
    });
    assert.equal((await check('post_author')).dangling, 0);
    await drain('reference_cascade');
    const after = await check('post_author');
    assert.deepEqual([after.dangling, after.underWay, after.first.length], [20, 0, 10]);
    const sample = await ground.references.check('post_author', { sample: 5, signal: never() });
    assert.equal(sample.rows, 5);
    await assert.rejects(check('nothing'), { code: 'reference_unknown' });
    const cut = AbortSignal.abort(new Error('enough'));
    await assert.rejects(ground.references.check('post_author', { signal: cut }), /enough/);
  });

  test('a sweep finds what was planted, in pages over several jobs, and treats it as declared', async () => {
    const { addPerson, plant, count, enqueue, lines, it } = ground;
    const [author, owner, ghost] = [await addPerson(), '11', '12'];
    await plant('posts', author, 3);
    await plant('posts', ghost, 25);
    await plant('posts', ghost, 2, '2');
    await plant('teams', owner, 17);
    const mentionsBefore = (await check('mention_of')).dangling;
    await plant('mentions', ghost, 1);
    const line = (reference: string) =>
      lines.find((each) => each.reference === reference && 'dangling' in each && each.level !== 'debug');
    await enqueue({ workspaceId: '0', bucket: 0 }, [{ queue: 'reference_sweep', payload: {} }], {
      signal: never(),
    });
    await working(async () => {
      await eventually(
        'removed',
        async () => (await count('posts', ghost)) + (await count('posts', ghost, '2')) === 0,
      );
      await eventually('told', () => line('team_owner') && line('mention_of') && line('post_author') && true);
    });
    assert.equal(await count('posts', author), 3);
    assert.equal(await count('teams', owner), 17);
    assert.equal(line('team_owner')?.level, 'warn');
    assert.equal(line('team_owner')?.dangling, 17);
    assert.equal((line('team_owner')?.first as unknown[] | undefined)?.length, 10);
    assert.equal(line('mention_of')?.level, 'info');
    assert.equal(line('mention_of')?.dangling, mentionsBefore + 1);
    const scraped = await it.metrics.registry.metrics();
    assert.match(scraped, /loadstone_reference_dangling_total\{reference="team_owner"\} 17/);
    assert.match(scraped, /loadstone_reference_sweeps_total\{reference="mention_of"\} 1/);
    assert.equal((await check('post_author')).dangling, 0);
    assert.equal((await check('team_owner')).dangling, 17);
  });

  test('the sweep is scheduled daily, and the names of references are their own', () => {
    const [schedule] = referenceSchedules(parseOptions(referencesOptions, {}));
    assert.deepEqual([schedule?.pattern, schedule?.queue], ['23 3 * * *', 'reference_sweep']);
    const twice = [teamOwner, { ...mentionOf, name: 'team_owner' }];
    const deps = { ...ground.deps, metrics: createMetrics(), declared: twice };
    assert.throws(() => createReferences(ground.options, deps), /different names/);
  });

  lifecycleSuite('references', async () =>
    createReferences(ground.options, { ...ground.deps, metrics: createMetrics() }),
  );
});
