import { before, test } from 'node:test';
import type { TestDatabase } from '#fixtures/database';
import { checkKills, checkSurvivor } from './kills.fixture.ts';
import { startShippingDatabase } from './shipping/shipping.fixture.ts';

let made: TestDatabase;
before(async () => {
  made = await startShippingDatabase();
});

test('three processes killed one after the other: every acknowledged record is there once, in order', async () => {
  await checkKills(made, { rounds: 3, seed: 7, journal: { fileBytesMax: 65_536 } });
});

test('a survivor takes over the journal of a killed process while it runs', async () => {
  await checkSurvivor(made, 11);
});
