/**
 * The long campaigns: `npm run test:long`. LOADSTONE_SEED and LOADSTONE_RUNS repeat or stretch them.
 */
import { before, test } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '#base/random';
import type { TestDatabase } from '#fixtures/database';
import { checkDiskHistory, diskHistories } from './files/failing-disk.fixture.ts';
import { checkHistory, histories } from './histories.fixture.ts';
import { checkKills } from './kills.fixture.ts';
import { startShippingDatabase } from './shipping/shipping.fixture.ts';

const seed = Number(process.env.LOADSTONE_SEED ?? systemRandom.bytes(4).readUInt16LE(0));
const runs = Number(process.env.LOADSTONE_RUNS ?? 2000);
const KILL_ROUNDS = 30;

let made: TestDatabase;
before(async () => {
  made = await startShippingDatabase();
});

for (const fsync of [false, true]) {
  test(`${KILL_ROUNDS} processes killed, fsync ${fsync}`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await checkKills(made, { rounds: KILL_ROUNDS, seed, journal: { fileBytesMax: 65_536, fsync } });
  });

  test(`${runs} histories of a failing disk, fsync ${fsync}`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const property = fc.asyncProperty(diskHistories, (steps) => checkDiskHistory(fsync, steps));
    await fc.assert(property, { numRuns: runs, seed });
  });
}

test(`${runs} histories of kills and broken transactions`, async (t) => {
  t.diagnostic(`seed ${seed}`);
  let run = 0;
  const property = fc.asyncProperty(histories, (steps) => checkHistory(made.database, `run ${run++}`, steps));
  await fc.assert(property, { numRuns: runs, seed });
});
