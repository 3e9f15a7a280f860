import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { createWorker, queueOptions } from '#blocks/queue';
import { coreMigrations, createTestCore } from '#fixtures/core';
import { makeTestDirectory, startTestDatabase } from '#fixtures/database';
import { never } from './backup.fixture.ts';
import { backupMigrations } from './migrations.ts';
import { backupOptions } from './options.ts';
import { isGood, listBackups } from './repository/repository.ts';
import { backupQueues, createBackups, nextRun, scheduleBackup, unscheduleBackup } from './schedule.ts';
import { readSchedules } from './schedule-rows.ts';
import { findSource } from './source.ts';

const STOP_MS_MAX = 10_000;
const EVERY_SECOND = '* * * * * *';

const db = await startTestDatabase({ migrations: [...coreMigrations, backupMigrations] });
const { database, dataDirectory } = db;
const options = parseOptions(backupOptions, { lookMs: 100 });
const deps = { clock: systemClock, random: systemRandom, log: silentLog };

/** A process: it looks for due runs, and works them off. */
function makeProcess() {
  const own = { ...deps, metrics: createMetrics() };
  const settings = parseOptions(queueOptions, { pollMs: 50 });
  const queues = backupQueues(options);
  const core = createTestCore({ database, metrics: own.metrics }, { options: { queue: settings }, queues });
  const source = () => findSource({ primary: undefined, dataDirectory }, undefined);
  const backups = createBackups(options, { ...own, database, queue: core.queue, source, version: '0.0.0' });
  const worked = { ...settings, queues: { backups: { concurrency: 1 } } };
  const worker = createWorker(worked, { ...own, queue: core.queue, handlers: backups.handlers });
  return { core, backups, worker, metrics: own.metrics, source };
}

test('what is no cron pattern is refused', () => {
  assert.equal(nextRun('0 3 * * *', Date.UTC(2026, 0, 1, 12)), Date.UTC(2026, 0, 2, 3));
  for (const pattern of ['now and then', '', '61 * * * *', '0 0 30 2 *']) {
    assert.throws(() => nextRun(pattern, 0), { code: 'backup_schedule_invalid' }, pattern);
  }
});

lifecycleSuite('scheduled backups', async () => makeProcess().backups);

test('each run is taken once, however many processes look, and what became of it is told', async (t) => {
  const processes = [makeProcess(), makeProcess()];
  const [first] = processes;
  const parts = processes.flatMap(({ core, backups, worker }) => [core, backups, worker]);
  for (const part of parts) await part.start(never);
  t.after(async () => {
    for (const part of parts.toReversed()) await part.stop(AbortSignal.timeout(STOP_MS_MAX));
  });
  const directory = join(makeTestDirectory(), 'backups');
  const schedule = { pattern: EVERY_SECOND, directory, keyFile: undefined, keep: undefined };
  const now = () => systemClock.nowMs();
  await scheduleBackup(database, { ...schedule, what: 'wal' }, now());
  const read = async () => (await readSchedules(database.core))[0];
  await eventually('the log has been copied twice', async () => ((await read())?.runs ?? 0) >= 2);
  const state = await read();
  assert.equal(state?.failures, 0, state?.lastError);
  const kinds = listBackups(directory)
    .filter(isGood)
    .map(({ manifest }) => manifest.kind);
  assert.deepEqual(kinds.slice(0, 2), ['physical', 'wal'], 'the log had nothing to be joined to at first');
  await eventually('it is measured', async () =>
    /loadstone_backup_age_seconds\{what="wal"\} \d/.test((await first?.metrics.registry.metrics()) ?? ''),
  );

  await scheduleBackup(database, { ...schedule, what: 'wal', directory: '/proc/backups' }, now());
  await eventually('a failure is told', async () => (await read())?.lastError !== undefined);
  assert.match((await read())?.lastError ?? '', /\/proc\/backups/);

  const source = processes[0]?.source();
  assert(source);
  await unscheduleBackup(database, 'wal', source, never);
  assert.deepEqual(await readSchedules(database.core), []);
  await assert.rejects(unscheduleBackup(database, 'wal', source, never), { code: 'backup_schedule_invalid' });
  assert(readdirSync(directory).length >= 2);
});
