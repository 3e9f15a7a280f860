import { before, test } from 'node:test';
import fc from 'fast-check';
import { carryOut, history } from './machine.fixture.ts';
import type { SuiteStores } from './store.fixture.ts';
import { startPostgresStores } from './stores/postgres.fixture.ts';

let stores: SuiteStores;
before(async () => {
  stores = await startPostgresStores();
});

test('every job is where the machine says, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(history, (each) => carryOut(stores, each)),
    { numRuns: 25 },
  );
});
