/**
 * The ports on a Postgres of their own.
 */
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { queueMigrations } from '../migrations.ts';
import { createScores } from '../score.ts';
import { PLACEMENT, type SuiteStores } from '../store.fixture.ts';
import { createPostgresInspection } from './inspection.ts';
import { createPostgresMaintenance } from './maintenance.ts';
import { createPostgresJobs } from './postgres.ts';

const DAY_MS = 86_400_000;
const never = new AbortController().signal;

export async function openPostgresStores({ database }: TestDatabase): Promise<SuiteStores> {
  const { core } = database;
  const maintenance = createPostgresMaintenance(core);
  await maintenance.rotateHistory(Date.now(), DAY_MS);
  return {
    jobs: createPostgresJobs(core, createScores({ priorityStepMs: 0 })),
    inspection: createPostgresInspection(core),
    maintenance,
    // As a caller's transaction does it, with the rights that it has.
    transact: (work) => database.transact({ system: 'test', ...PLACEMENT }, { signal: never }, work),
  };
}

export async function startPostgresStores(): Promise<SuiteStores> {
  return openPostgresStores(await startTestDatabase({ migrations: [queueMigrations] }));
}
