/**
 * Any interleaving of who comes to refer and who deletes. Each history's steps run at once; how long each lingers before
 * it begins, and between its question and its write, is drawn.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { sleep, systemClock } from '#base/clock';
import type { Lifecycle } from '#base/lifecycle';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, type Queryable, sql } from '#blocks/database';
import { type Ground, never, startGround } from './ground.fixture.ts';
import type { Table } from './systems.fixture.ts';

const RUNS = 30;
const EXPECTED = new Set(['reference_held', 'reference_target_missing']);

/** In milliseconds: next to nothing, or as long as a removal takes to begin. */
const pauseMs = fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 20, max: 60 }));

/** Of two people who may be deleted; a third one stays, and has a row that may come to refer to the others. */
const step = fc.record({
  kind: fc.constantFrom('refer', 'repoint', 'delete'),
  person: fc.integer({ min: 0, max: 1 }),
  beforeMs: fc.integer({ min: 0, max: 4 }),
  betweenMs: pauseMs,
});
const history = fc.array(step, { minLength: 2, maxLength: 8 });

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** In the database, since a step may hold its locks meanwhile. */
async function linger(on: Queryable, ms: number): Promise<void> {
  if (ms > 0) await on.run(sql`select pg_sleep(${ms / 1000})`);
}

describe('references under races', () => {
  let ground: Ground;
  let worker: Lifecycle;
  before(async () => {
    ground = await startGround();
    worker = await ground.startWorker();
  });
  after(async () => {
    await worker.stop(AbortSignal.timeout(10_000));
    await ground.stop();
  });

  async function take(
    table: Table,
    { kind, betweenMs }: Step,
    { person, row }: { person: string; row: string },
  ) {
    const pause = (tx: Queryable) => linger(tx, betweenMs);
    if (kind === 'refer') await ground.refer(table, person, { pause });
    else if (kind === 'repoint') await ground.repoint(table, row, person, pause);
    else await ground.deletePerson(person, { pause, asks: table === 'teams' });
  }

  /** Runs a history; its refusals are those that were to be expected. */
  async function run(table: Table, steps: readonly Step[]): Promise<string[]> {
    await ground.it.admin.run(sql`delete from ${identifier(`feed.${table}`)}`);
    const people = [await ground.addPerson(), await ground.addPerson()];
    const row = await ground.refer(table, await ground.addPerson());
    const taken = steps.map(async (each) => {
      await sleep(systemClock, each.beforeMs);
      await take(table, each, { person: people[each.person] as string, row });
    });
    for (const result of await Promise.allSettled(taken)) {
      if (result.status === 'rejected' && !EXPECTED.has(result.reason.code)) throw result.reason;
    }
    return people;
  }

  async function dangling(table: Table, people: readonly string[]): Promise<number> {
    const counts = await Promise.all(
      people.map(async (id) => {
        const isThere = await ground.it.admin.first(sql`select from people.people where person_id = ${id}`);
        return isThere ? 0 : ground.count(table, id);
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  test('restrict: nothing ever dangles', async () => {
    const property = fc.asyncProperty(history, async (steps) => {
      const people = await run('teams', steps);
      assert.equal(await dangling('teams', people), 0);
    });
    await fc.assert(property, { numRuns: RUNS });
  });

  test('cascade: nothing dangles in the end, nor at any time without a removal under way', async () => {
    const check = () => ground.references.check('post_author', { signal: never() });
    const property = fc.asyncProperty(history, async (steps) => {
      const people = await run('posts', steps);
      await eventually('all is removed', async () => {
        const { dangling: left, underWay } = await check();
        assert.equal(left, 0);
        return underWay === 0;
      });
      assert.equal(await dangling('posts', people), 0);
    });
    await fc.assert(property, { numRuns: RUNS });
  });
});
