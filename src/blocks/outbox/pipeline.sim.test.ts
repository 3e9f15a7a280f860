/**
 * No event is lost, none has its effect twice, and the order of each key is kept: under commits, aborts and writers that
 * stay open, relays that are killed, held up with a batch in hand or not told of their own commit, consumers that come
 * and go, and handlers that fail. See histories.fixture.ts; the long run has more and longer ones.
 */
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Histories, history, startHistories } from './histories.fixture.ts';
import { startPipelineDatabase } from './pipeline.fixture.ts';

const RUNS = 300;
const STEPS_MAX = 16;

let histories: Histories;
before(async () => {
  histories = await startHistories(await startPipelineDatabase());
});
after(() => histories.stop());

test('whatever happens, every event has its effect once, in the order of its key', async () => {
  await fc.assert(fc.asyncProperty(history(STEPS_MAX), histories.run), { numRuns: RUNS, endOnFailure: true });
});
