import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  type AppliedMigration,
  type Migration,
  pendingMigrations,
  readMigrations,
} from './migration-files.ts';
import { shopMigrations } from './migrations.fixture.ts';

const read = (files: Record<string, string>) => readMigrations(shopMigrations(files));
const refused = (files: Record<string, string>, message: RegExp) =>
  assert.throws(() => read(files), { code: 'migration_failed', message });

test('files are read in the order of their numbers, and only those that end in .sql', () => {
  const set = shopMigrations({ '0002_b.sql': 'select 2;', '0001_a.sql': 'select 1;', 'README.md': '' });
  const found = readMigrations(set).map(({ number, name, text }) => ({ number, name, text }));
  assert.deepEqual(found, [
    { number: 1, name: '0001_a', text: 'select 1;' },
    { number: 2, name: '0002_b', text: 'select 2;' },
  ]);
  writeFileSync(new URL('0003_c.sql', set.directory), '');
  assert.equal(readMigrations(set).length, 3);
});

test('gaps, doubles and names out of line are refused', () => {
  refused({ '0002_a.sql': '' }, /shop: 0002_a\.sql: should be named 0001_<name>\.sql/);
  refused({ '0001_a.sql': '', '0003_c.sql': '' }, /0003_c\.sql: should be named 0002_/);
  refused({ '0001_a.sql': '', '0001_b.sql': '' }, /0001_b\.sql: should be named 0002_/);
  for (const name of ['1_a.sql', '0001-a.sql', '0001_A.sql', '0001.sql', 'a.sql', '0000_a.sql'])
    refused({ [name]: '' }, /should be named 0001_/);
});

test('a directory that is not there is refused, not taken for an empty one', () => {
  const set = { ...shopMigrations({}), directory: new URL('file:///nonexistent/migrations/') };
  assert.throws(() => readMigrations(set), { code: 'migration_failed', message: /shop: ENOENT/ });
});

test('a schema has a plain name, for it goes into statements as it is', () => {
  for (const schema of ['', 'Shop', 'a b', 'a;b', '1a', 'a"b', 'a'.repeat(42)]) {
    const set = { ...shopMigrations({}), schema };
    assert.throws(() => readMigrations(set), { code: 'migration_failed', message: /cannot name a schema/ });
  }
});

test('directives stand in the head, before the first statement', () => {
  const directives = (text: string) => {
    const { inTransaction, minCompatible } = read({ '0001_a.sql': text })[0] as Migration;
    return { inTransaction, minCompatible };
  };
  assert.deepEqual(directives('select 1;'), { inTransaction: true, minCompatible: 0 });
  const head = '-- Why.\n\n-- no-transaction\n-- min-compatible: 1\nselect 1;';
  assert.deepEqual(directives(head), { inTransaction: false, minCompatible: 1 });
  assert.deepEqual(directives(head.replaceAll('\n', '\r\n')), { inTransaction: false, minCompatible: 1 });
  assert.deepEqual(directives('select 1;\n-- no-transaction\n'), { inTransaction: true, minCompatible: 0 });
});

test('what was meant as a directive and is none is refused', () => {
  for (const line of ['--no-transaction', '-- No-Transaction', '-- min-compatible 3', '-- min-compatible: x'])
    refused({ '0001_a.sql': `${line}\nselect 1;` }, /known are "-- no-transaction"/);
  refused({ '0001_a.sql': '-- min-compatible: 2\nselect 1;' }, /min-compatible is above its own number/);
  refused({ '0001_a.sql': '-- as-login\nselect 1;' }, /a system migrates as loadstone_owner only/);
});

test('line ends do not count in a checksum, everything else does', () => {
  const checksum = (text: string) => read({ '0001_a.sql': text })[0]?.checksum;
  assert.equal(checksum('a;\nb;\n'), checksum('a;\r\nb;\r\n'));
  assert.notEqual(checksum('a;\nb;\n'), checksum('a;\nb;'));
  assert.equal(checksum(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

const known = (count: number) =>
  read(Object.fromEntries(Array.from({ length: count }, (_, i) => [`000${i + 1}_m.sql`, `select ${i};`])));
const rowOf = ({ number, name, checksum }: Migration, minCompatible = 0): AppliedMigration => ({
  number,
  name,
  checksum,
  min_compatible: minCompatible,
});

test('pending is what comes after the newest that was applied', () => {
  const three = known(3);
  const names = (applied: AppliedMigration[]) =>
    pendingMigrations('shop', three, applied).map((m) => m.number);
  assert.deepEqual(names([]), [1, 2, 3]);
  assert.deepEqual(names([rowOf(three[0]!)]), [2, 3]);
  assert.deepEqual(names(three.map((m) => rowOf(m))), []);
  assert.deepEqual(pendingMigrations('shop', [], []), []);
});

test('a database that is ahead is refused only below the lowest number it works with', () => {
  const rows = known(5).map((migration, i) => rowOf(migration, [0, 0, 2, 0, 3][i]));
  assert.deepEqual(pendingMigrations('shop', known(4), rows), []);
  assert.deepEqual(pendingMigrations('shop', known(3), rows), []);
  assert.throws(() => pendingMigrations('shop', known(2), rows), {
    code: 'database_too_new',
    message: /at 0005_m and works with programs that know 3 or more migrations; this one knows 2/,
  });
});

test('an altered one is refused, also when the database is ahead', () => {
  const [first, second] = known(2) as [Migration, Migration];
  const rows = [{ ...rowOf(first), checksum: 'other' }, rowOf(second)];
  for (const set of [[first, second], [first]])
    assert.throws(() => pendingMigrations('shop', set, rows), {
      code: 'migration_failed',
      message: /shop: 0001_m was changed/,
    });
});
