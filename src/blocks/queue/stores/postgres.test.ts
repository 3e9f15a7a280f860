import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { queueMigrations } from '../migrations.ts';
import { jobStoreSuite } from '../store.suite.ts';
import { createPostgresMaintenance } from './maintenance.ts';
import { openPostgresStores } from './postgres.fixture.ts';

const DAY_MS = 86_400_000;
let db: TestDatabase;

before(async () => {
  db = await startTestDatabase({ migrations: [queueMigrations] });
});

jobStoreSuite('Postgres', () => openPostgresStores(db));

test('the history is made by days ahead, and old days are dropped', async () => {
  const days = async () =>
    (
      await db.admin.rows<{ day: number }>(sql`
      select substring(relname from '\\d+$')::integer as day from pg_class
      where relname ~ '^job_history_\\d+$' and relkind = 'r' order by 1`)
    ).map(({ day }) => day);
  const today = Math.floor(Date.now() / DAY_MS);
  const maintenance = createPostgresMaintenance(db.database.core);
  await maintenance.rotateHistory(Date.now(), DAY_MS);
  assert.deepEqual(await days(), [today - 1, today, today + 1, today + 2, today + 3]);
  assert.equal(await maintenance.rotateHistory(Date.now() + 3 * DAY_MS, DAY_MS), 3);
  assert.deepEqual((await days())[0], today + 2);
  await maintenance.rotateHistory(Date.now(), DAY_MS);
});

test('app enqueues, and neither reads nor changes jobs', async () => {
  const attempts = [
    sql`select payload from core.jobs`,
    sql`update core.jobs set payload = ''`,
    sql`delete from core.jobs`,
    sql`select job_id from core.job_history`,
    sql`select core.rotate_job_history(0, 0)`,
    sql`select core.reap_jobs(0, '{}')`,
  ];
  for (const attempt of attempts) {
    const tried = db.database.reader({ consistency: 'strong' }).rows(attempt);
    await assert.rejects(tried, (error: Error) => {
      assert.equal((error.cause as { code?: string }).code, '42501', attempt.text);
      return true;
    });
  }
});
