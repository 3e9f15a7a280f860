/**
 * sets.sim.test.ts at length: 20,000 histories and 200 killed processes, from `LOADSTONE_SEED`.
 */
import { readSeed } from '#base/testing/seed.fixture';
import { testSets } from './sets-campaign.fixture.ts';

testSets({ seed: readSeed(), histories: 20_000, parts: 40, crashes: 200 });
