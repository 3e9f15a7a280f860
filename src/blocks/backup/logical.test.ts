import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { silentLog } from '#base/log';
import { type MigrationSet, sql } from '#blocks/database';
import {
  makeTestDatabase,
  makeTestDirectory,
  startTestDatabase,
  startTestPostgres,
} from '#fixtures/database';
import { backupDeps, never } from './backup.fixture.ts';
import { takeBackup } from './backup.ts';
import { backupMigrations } from './migrations.ts';
import { checkBackups } from './repository/check.ts';
import { restoreLogical } from './restore/logical-restore.ts';

const TABLES = `
create table odd.values (
  id bigint generated always as identity primary key,
  body bytea, document jsonb, at timestamptz, number numeric, float double precision, names text[], note text,
  "order" integer, twice integer generated always as ("order" * 2) stored
);
create table odd.segments (position bigint not null, body text) partition by range (position);
create sequence odd.counter;
`;

function makeMigrations(text = TABLES): MigrationSet {
  const directory = join(makeTestDirectory(), 'migrations');
  mkdirSync(directory);
  writeFileSync(join(directory, '0001_odd.sql'), text);
  return { room: 'odd', schema: 'odd', directory: pathToFileURL(`${directory}/`) };
}

const migrations = [backupMigrations, makeMigrations()];
const postgres = await startTestPostgres();
after(() => postgres.stop());
const directory = join(makeTestDirectory(), 'backups');
const primary = await postgres.makeDatabase();
const { admin } = await startTestDatabase({ migrations, options: { primary } });
const source = {
  url: primary,
  engine: 'external',
  dataDirectory: makeTestDirectory(),
  masterKey: undefined,
} as const;

async function fill(): Promise<void> {
  await admin.run(sql`
    insert into odd.values (body, document, at, number, float, names, note, "order") values
      ('\\x00ff0a5c', '{"a": "tab \\t"}', 'infinity', 'NaN', 'NaN', array['a,b', null, '"', '\\'], ${'tab\t line\n \\N \\. \r'}, 7),
      (null, null, '2026-01-01 12:00:00.123456+00', 123456789012345678901234567890.5, '-Infinity', '{}', '', 0)`);
  await admin.run(sql`
    insert into odd.values (note, "order") select repeat(md5(n::text), 20), n from generate_series(1, 40000) n`);
  await admin.run(sql`
    create table odd.segments_7 partition of odd.segments for values from (70) to (80)`);
  await admin.run(sql`alter table odd.segments_7 owner to loadstone_owner`);
  await admin.run(
    sql`insert into odd.segments (position, body) values (71, 'in a partition made at run time')`,
  );
  await admin.run(sql`select setval('odd.counter', 4711)`);
}

const printOf = (database: typeof admin) =>
  database.first(sql`
    select (select md5(string_agg(v::text, '|' order by id)) from odd.values v) as "values",
      (select md5(string_agg(s::text, '|')) from odd.segments_7 s) as segments,
      (select last_value::text from odd.counter) as counter,
      (select last_value::text from pg_sequences where sequencename = 'values_id_seq') as ids`);

function restoreInto(url: string, sets: readonly MigrationSet[] = migrations) {
  const request = {
    directory,
    url,
    dataDirectory: join(makeTestDirectory(), 'data'),
    secret: undefined,
    masterKey: undefined,
  };
  const migrate = async () => {
    const { database, stop } = makeTestDatabase({ migrations: sets, options: { primary: url } });
    await database.start(never);
    await stop();
  };
  return restoreLogical({ ...request, migrate }, { ...backupDeps, log: silentLog });
}

test('rows of every type come back as they were, with partitions and sequences', async () => {
  await fill();
  const { manifest } = await takeBackup(source, { directory, what: 'base', secret: undefined }, backupDeps);
  assert.equal(manifest.kind, 'logical');
  assert.equal(manifest.tables?.contents.find(({ name }) => name === 'values')?.rows, 40_002);
  assert((await checkBackups(directory, undefined, never)).every(({ problem }) => !problem));
  const before = await printOf(admin);
  const url = await postgres.makeDatabase();
  const { rows } = await restoreInto(url);
  assert(rows >= 40_003);
  const restored = await startTestDatabase({ migrations, options: { primary: url } });
  assert.deepEqual(await printOf(restored.admin), before);
});

test('a database that is not empty, or of other migrations, is refused', async () => {
  await assert.rejects(restoreInto(primary), { code: 'restore_target_unusable' });
  const url = await postgres.makeDatabase();
  await assert.rejects(restoreInto(url, [backupMigrations]), {
    code: 'backup_version_wrong',
    message: /^odd is at migration 1/,
  });
});

test('the log of a Postgres of your own is not copied', async () => {
  await assert.rejects(takeBackup(source, { directory, what: 'wal', secret: undefined }, backupDeps), {
    code: 'backup_unsupported',
  });
});
