import { before, test } from 'node:test';
import fc from 'fast-check';
import type { TestDatabase } from '#fixtures/database';
import { checkHistory, histories } from '../histories.fixture.ts';
import { startShippingDatabase } from './shipping.fixture.ts';

let made: TestDatabase;
before(async () => {
  made = await startShippingDatabase();
});

test('whatever is killed when, every acknowledged record becomes one row, in order', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(histories, (steps) => checkHistory(made.database, `run ${run++}`, steps)),
    { numRuns: 40 },
  );
});
