/**
 * Whatever happens beside it, a rebuild gives the truth and a verify tells it. See histories.fixture.ts; the long run has
 * more and longer ones.
 */
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Histories, history, startHistories } from './histories.fixture.ts';
import { startShopDatabase } from './shop.fixture.ts';

const RUNS = 12;
const STEPS_MAX = 20;

let histories: Histories;
before(async () => {
  histories = await startHistories(await startShopDatabase());
});
after(() => histories.stop());

test('a projection is the truth after any history', async () => {
  await fc.assert(fc.asyncProperty(history(STEPS_MAX), histories.run), { numRuns: RUNS, endOnFailure: true });
});
