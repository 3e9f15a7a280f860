import { describe } from 'node:test';
import { databaseSuite } from './database.suite.ts';
import { startTestDatabase, startTestPostgres } from './fixture.ts';

// Side by side: most of the time of a suite goes by in waiting for Postgres to notice something.
describe('database', { concurrency: true }, () => {
  databaseSuite('embedded', startTestDatabase);
  databaseSuite('external', async (settings) => {
    const postgres = await startTestPostgres();
    const primary = await postgres.makeDatabase();
    return startTestDatabase({ ...settings, options: { ...settings.options, primary } });
  });
});
