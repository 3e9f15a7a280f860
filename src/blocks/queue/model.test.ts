import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '#blocks/database';
import { startTestDatabase } from '#fixtures/database';
import { queueMigrations } from './migrations.ts';
import { doneJobBytes, overtakenMsMax, queueLimits, workersNeeded } from './model.ts';

const JOBS = 20_000;
const TOLERANCE = 0.25;

test('workers are needed for what handlers take, and at least for the work itself', () => {
  assert.equal(workersNeeded(100, 1000, 10), 10);
  assert.equal(workersNeeded(101, 1000, 10), 11);
  assert.equal(workersNeeded(1, 1, 10), 1);
  assert.equal(workersNeeded(400_000, 0, 10), 3);
});

test('what is promised of crashes and priorities follows from the options', () => {
  assert(queueLimits.crashedJobMs(30_000) <= 35_000);
  assert.equal(overtakenMsMax(60_000), 540_000);
});

test('jobs that are done take about what the model says', async () => {
  const { admin } = await startTestDatabase({ migrations: [queueMigrations] });
  await admin.run(sql`select core.rotate_job_history(0, 86400000)`);
  await admin.run(sql`
    insert into core.job_history (job_id, workspace_id, finished_ms, bucket, attempts, queue, outcome)
    select i::bigint << 22, 1, i, 0, 1, 'links_expiry', 'done' from generate_series(1, ${JOBS}::integer) i`);
  const size = await admin.first<{ done: number }>(sql`
    select pg_total_relation_size('core.job_history_0')::float8 / ${JOBS}::integer as done`);
  const done = size?.done ?? 0;
  assert(Math.abs(doneJobBytes / done - 1) <= TOLERANCE, `${doneJobBytes} by the model, ${done} measured`);
});
