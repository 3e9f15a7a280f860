import { after, before, test } from 'node:test';
import { systemRandom } from '#base/random';
import { crash } from './crash.fixture.ts';
import { startTestQueues, type TestQueues } from './queue.fixture.ts';

let all: TestQueues;
before(async () => {
  all = await startTestQueues();
});
after(() => all.stop());

test('a worker killed in the middle of its jobs loses none of them', async () => {
  await crash(all, 'crash', {
    leaseMs: 1000,
    jobs: 3000,
    recoveryMsMax: 60_000,
    random: systemRandom,
  });
});
