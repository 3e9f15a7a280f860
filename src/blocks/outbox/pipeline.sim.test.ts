/**
 * No event is lost, none has its effect twice, and the order of each key is kept: under commits, aborts and writers that
 * stay open, relays that are killed, held up with a batch in hand or not told of their own commit, consumers that come
 * and go, and handlers that fail. See histories.fixture.ts; the long run has more and longer ones.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Histories, startHistories } from './histories.fixture.ts';
import { startPipelineDatabase } from './pipeline.fixture.ts';
import { history } from './steps.fixture.ts';

const RUNS = 300;
const STEPS_MAX = 16;
/** Nothing begins after this: shrinking ends with the shortest history so far, and a machine that is too busy runs fewer. */
const MS_MAX = 90_000;

let histories: Histories;
before(async () => {
  histories = await startHistories(await startPipelineDatabase());
});
after(() => histories.stop());

test('whatever happens, every event has its effect once, in the order of its key', async (t) => {
  const property = fc.asyncProperty(history(STEPS_MAX), histories.run);
  const found = await fc.check(property, { numRuns: RUNS, interruptAfterTimeLimit: MS_MAX });
  assert.equal(found.failed, false, await fc.asyncDefaultReportMessage(found));
  t.diagnostic(`${found.numRuns} histories, seed ${found.seed}`);
});
