import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import { readSeed } from '#base/testing/seed.fixture';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { makeCounters } from './counter.fixture.ts';
import { groundMigrations, startGround, type TestGround } from './ground.fixture.ts';
import { crashSets } from './set-crash.fixture.ts';
import { createHistories, steps } from './set-histories.fixture.ts';

const HISTORIES = 2000;
/** At once, so that calls of many histories share their sets. */
const AT_ONCE = 50;
/** Of the histories: each is a test, so that a slow machine is heard of. */
const PARTS = 8;
const CRASHES = 20;
const CRASHES_AT_ONCE = 4;

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

const seed = readSeed();

for (let part = 0; part < PARTS; part++) {
  test(`calls in sets have what they have one by one: seed ${seed}, part ${part + 1} of ${PARTS}`, async () => {
    const histories = createHistories(it, ground, 5, `p${part}`);
    const several = fc.array(steps, { minLength: AT_ONCE, maxLength: AT_ONCE });
    await fc.assert(fc.asyncProperty(several, histories.run), {
      seed: seed + part,
      numRuns: HISTORIES / AT_ONCE / PARTS,
      endOnFailure: true,
    });
  });
}

for (let round = 0; round < CRASHES / CRASHES_AT_ONCE; round++) {
  test(`kill -9 leaves all or nothing of each call: round ${round + 1}`, async () => {
    const random = seededRandom(seed + round);
    const names = Array.from({ length: CRASHES_AT_ONCE }, (_, i) => `crash${round}_${i}`);
    await Promise.all(names.map((name) => crashSets(it, ground, name, random)));
  });
}
