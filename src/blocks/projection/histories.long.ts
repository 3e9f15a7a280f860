/**
 * The long run of histories.sim.test.ts: more histories, and longer ones. LOADSTONE_SEED repeats a run, LOADSTONE_RUNS sets
 * the number of histories.
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { history, startHistories } from './histories.fixture.ts';
import { startShopDatabase } from './shop.fixture.ts';

const SEED = Number(process.env.LOADSTONE_SEED ?? 1);
const RUNS = Number(process.env.LOADSTONE_RUNS ?? 2000);
const STEPS_MAX = 40;
/** Shrinking what was found ends here, with the shortest history so far. */
const MS_MAX = 50 * 60_000;

test(`${RUNS} histories`, async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const histories = await startHistories(await startShopDatabase());
  t.after(histories.stop);
  const property = fc.asyncProperty(history(STEPS_MAX), histories.run);
  const limit = { interruptAfterTimeLimit: MS_MAX, markInterruptAsFailure: true };
  await fc.assert(property, { seed: SEED, numRuns: RUNS, ...limit });
});
