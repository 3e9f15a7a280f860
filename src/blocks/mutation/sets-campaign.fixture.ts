/**
 * Calls in sets against calls one by one, and processes that are killed between the steps of a set: as many as are asked for.
 */
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { makeCounters } from './counter.fixture.ts';
import { groundMigrations, startGround, type TestGround } from './ground.fixture.ts';
import { crashSets } from './set-crash.fixture.ts';
import { createHistories, steps } from './set-histories.fixture.ts';

/** At once, so that calls of many histories share their sets. */
const AT_ONCE = 50;
const CRASHES_AT_ONCE = 4;

export interface SetCampaign {
  seed: number;
  histories: number;
  /** Of the histories: each is a test, so that a slow machine is heard of. */
  parts: number;
  crashes: number;
}

/** Defines its tests, with a database of their own. */
export function testSets({ seed, histories: count, parts, crashes }: SetCampaign): void {
  let it: TestDatabase;
  let ground: TestGround;

  before(async () => {
    it = await startTestDatabase({ migrations: groundMigrations });
    await makeCounters(it.admin, 1, 1);
    ground = await startGround(it);
  });
  after(async () => {
    await ground.stop();
    await it.stop();
  });

  for (let part = 0; part < parts; part++) {
    test(`calls in sets have what they have one by one: seed ${seed}, part ${part + 1} of ${parts}`, async () => {
      const histories = createHistories(it, ground, 5, `p${part}`);
      const several = fc.array(steps, { minLength: AT_ONCE, maxLength: AT_ONCE });
      await fc.assert(fc.asyncProperty(several, histories.run), {
        seed: seed + part,
        numRuns: count / AT_ONCE / parts,
        endOnFailure: true,
      });
    });
  }

  for (let round = 0; round < crashes / CRASHES_AT_ONCE; round++) {
    test(`kill -9 leaves all or nothing of each call: round ${round + 1}`, async () => {
      const random = seededRandom(seed + round);
      const names = Array.from({ length: CRASHES_AT_ONCE }, (_, i) => `crash${round}_${i}`);
      await Promise.all(names.map((name) => crashSets(it, ground, name, random)));
    });
  }
}
