/**
 * A real Postgres for records to be shipped into.
 */
import { sleep, systemClock } from '#base/clock';
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { journalMigrations } from './migrations.ts';

export async function startShippingDatabase(): Promise<TestDatabase> {
  const made = await startTestDatabase({ migrations: [journalMigrations] });
  await made.admin.run(sql`
    create table core.journal_test_records (place bigserial primary key, run text not null, body text not null)`);
  await made.admin.run(sql`grant select, insert on core.journal_test_records to loadstone_system`);
  await made.admin.run(sql`grant usage on sequence core.journal_test_records_place_seq to loadstone_system`);
  return made;
}

/** Asks until it is so, for at most `boundMs`. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  boundMs = 20_000,
): Promise<void> {
  const endMs = systemClock.monotonicMs() + boundMs;
  while (!(await holds())) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`not within ${boundMs} ms: ${what}`);
    await sleep(systemClock, 5);
  }
}
