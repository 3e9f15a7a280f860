/**
 * machine.sim.test.ts at length: `LOADSTONE_RUNS` histories (default 2,000), from `LOADSTONE_SEED`.
 */
import { before, test } from 'node:test';
import fc from 'fast-check';
import { carryOut, history } from './machine.fixture.ts';
import type { SuiteStores } from './store.fixture.ts';
import { startPostgresStores } from './stores/postgres.fixture.ts';

const seed = Number(process.env.LOADSTONE_SEED ?? 1);
const numRuns = Number(process.env.LOADSTONE_RUNS ?? 2000);
let stores: SuiteStores;
before(async () => {
  stores = await startPostgresStores();
});

test(`every job is where the machine says, in ${numRuns} histories from seed ${seed}`, async () => {
  await fc.assert(
    fc.asyncProperty(history, (each) => carryOut(stores, each)),
    { numRuns, seed },
  );
});
