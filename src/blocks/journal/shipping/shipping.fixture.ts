/**
 * A real Postgres for records to be shipped into.
 */
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { journalMigrations } from '../migrations.ts';

export async function startShippingDatabase(): Promise<TestDatabase> {
  const made = await startTestDatabase({ migrations: [journalMigrations] });
  await made.admin.run(sql`
    create table core.journal_test_records (place bigserial primary key, run text not null, body text not null)`);
  await made.admin.run(sql`grant select, insert on core.journal_test_records to loadstone_system`);
  await made.admin.run(sql`grant usage on sequence core.journal_test_records_place_seq to loadstone_system`);
  return made;
}
