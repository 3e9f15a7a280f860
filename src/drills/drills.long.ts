/**
 * Every scenario, with LOADSTONE_RUNS seeds each: ten by default, beginning at LOADSTONE_SEED.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSeed } from '#base/testing/seed.fixture';
import { scenarios } from './catalogue.ts';
import { drillOnce } from './drills.fixture.ts';
import { formatResult } from './report/report.ts';
import { passed } from './report/result.ts';
import { quick } from './scenarios/quick.ts';

const RUNS = Number(process.env.LOADSTONE_RUNS ?? 10);
const first = readSeed();

for (const scenario of [...scenarios, quick]) {
  describe(scenario.name, { skip: process.platform !== 'linux' && 'drills need /proc' }, () => {
    for (let run = 0; run < RUNS; run++) {
      const seed = (first + run) % 2 ** 31;
      test(`seed ${seed}`, async (t) => {
        const { result } = await drillOnce(t, scenario, { seed });
        assert(passed(result), formatResult(result));
      });
    }
  });
}
