/**
 * Workers killed at random moments: `LOADSTONE_RUNS` rounds (default 30) from `LOADSTONE_SEED`, and one with the default
 * lease.
 */
import { after, before, test } from 'node:test';
import { seededRandom } from '#base/random';
import { crash } from './crash.fixture.ts';
import { startTestQueues, type TestQueues } from './queue.fixture.ts';

const seed = Number(process.env.LOADSTONE_SEED ?? 1);
const rounds = Number(process.env.LOADSTONE_RUNS ?? 30);
const random = seededRandom(seed);
let all: TestQueues;
before(async () => {
  all = await startTestQueues();
});
after(() => all.stop());

for (let round = 1; round <= rounds; round++) {
  test(`round ${round} of seed ${seed}: no job is lost`, async (t) => {
    const { repeated, recoveredMs } = await crash(all, `crash_${round}`, {
      leaseMs: 3000,
      jobs: 5000,
      recoveryMsMax: 35_000,
      random,
    });
    t.diagnostic(`${repeated} jobs twice, all done ${Math.round(recoveredMs)} ms after the kill`);
  });
}

test('with the default lease the jobs of a killed worker run again within 35 s', async (t) => {
  const { recoveredMs } = await crash(all, 'crash_default', {
    leaseMs: 30_000,
    jobs: 5000,
    recoveryMsMax: 35_000,
    random,
  });
  t.diagnostic(`all done ${Math.round(recoveredMs)} ms after the kill`);
});
