import { readSeed } from '#base/testing/seed.fixture';
import { testSets } from './sets-campaign.fixture.ts';

testSets({ seed: readSeed(), histories: 2000, parts: 8, crashes: 20 });
