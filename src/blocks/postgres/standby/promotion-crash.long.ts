/**
 * Every step of a promotion, planned and forced, as the moment at which its owner is killed.
 */
import { join } from 'node:path';
import { after, test } from 'node:test';
import { scratchDirectory } from '../embedded.fixture.ts';
import { crashAt, PROMOTION_FAULTS } from './promotion-crash.fixture.ts';

const directory = join(scratchDirectory({ after: (run) => after(run) }), 'data', 'postgres');
const RUNS = Number(process.env.LOADSTONE_RUNS ?? 1);

for (let run = 0; run < RUNS; run++) {
  for (const fault of PROMOTION_FAULTS) {
    for (const isForced of [false, true]) {
      test(`${fault}, ${isForced ? 'forced' : 'planned'}, run ${run + 1}`, (t) =>
        crashAt(t, directory, fault, isForced));
    }
  }
}
