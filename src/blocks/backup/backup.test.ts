import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '#base/clock';
import { createLog } from '#base/log';
import { sql } from '#blocks/database';
import { locateInstallation } from '#blocks/postgres';
import { makeTestDirectory } from '#fixtures/database';
import { backupDeps, never, startBackedUp } from './backup.fixture.ts';
import { slotNameFor } from './postgres-connection.ts';
import { checkBackups } from './repository/check.ts';
import { MANIFEST_FILE, readManifest } from './repository/manifest.ts';
import { isGood, listBackups, openRepository } from './repository/repository.ts';
import { restorePhysical } from './restore/restore.ts';

const SECRET = 'a passphrase that is long enough';
const postgresMajor = locateInstallation().major;
const restoreDeps = {
  ...backupDeps,
  log: createLog({ level: 'fatal', service: 'test' }, { write() {} } as never),
};

const filesBelow = (directory: string) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name !== 'server.lock')
    .map((each) => join(each.parentPath, each.name));

test('backups of an empty installation', async (t) => {
  const { directory, take, admin, database } = await startBackedUp();

  await t.test('the log needs a base first', async () => {
    await assert.rejects(take({ what: 'wal' }), { code: 'backup_base_needed' });
    assert.deepEqual(listBackups(directory), []);
  });

  await t.test('two at once are refused, and drafts of the dead removed', async () => {
    const held = openRepository(directory, { clock: systemClock });
    mkdirSync(join(directory, '20260101T000000000Z-physical.draft'));
    await assert.rejects(take(), { code: 'backup_in_progress' });
    held.release();
    await take({ secret: SECRET });
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.endsWith('.draft')),
      [],
    );
  });

  await t.test('what holds other things is not written to', async () => {
    const foreign = makeTestDirectory();
    writeFileSync(join(foreign, 'diary.txt'), '');
    await assert.rejects(take({ directory: foreign }), { code: 'backup_target_unusable' });
    await assert.rejects(take({ directory: '/proc/backups' }), { code: 'backup_target_unusable' });
  });

  await t.test('a flipped byte in any file is found, without a key', async () => {
    await take();
    await take({ what: 'wal' });
    const files = filesBelow(directory);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, where, change) => {
        const file = files[which % files.length] as string;
        const before = readFileSync(file);
        const altered = Buffer.from(before);
        const at = where % altered.length;
        altered[at] = (altered[at] as number) ^ change;
        writeFileSync(file, altered);
        const damaged = (await checkBackups(directory, undefined, never)).filter(({ problem }) => problem);
        writeFileSync(file, before);
        assert.equal(damaged.length, 1, `byte ${at} of ${file}`);
      }),
      { numRuns: 6 },
    );
    assert((await checkBackups(directory, SECRET, never)).every(({ problem }) => !problem));
  });

  await t.test('any other byte in a manifest is found, its MAC among them', () => {
    for (const { directory: backup } of listBackups(directory)) {
      const file = join(backup, MANIFEST_FILE);
      const before = readFileSync(file);
      const macStart = before.length - 90;
      for (const at of [...before.keys()].filter((each) => each > macStart || each % 16 === 0)) {
        const altered = Buffer.from(before);
        altered[at] = (altered[at] as number) ^ 1;
        writeFileSync(file, altered);
        assert.throws(() => readManifest(backup), { code: 'backup_damaged' }, `byte ${at} of ${file}`);
      }
      writeFileSync(file, before);
    }
  });

  await t.test('a manifest as versions before wrote it is read', () => {
    const sealed = listBackups(directory).find((each) => isGood(each) && each.mac !== null);
    const file = join(sealed?.directory ?? '', MANIFEST_FILE);
    const before = readFileSync(file, 'utf8');
    const said = JSON.parse(before) as { manifest: object; sha256: string };
    const sha256 = createHash('sha256').update(JSON.stringify(said.manifest)).digest('hex');
    assert.notEqual(said.sha256, sha256);
    writeFileSync(file, before.replace(said.sha256, sha256));
    assert.equal(readManifest(sealed?.directory ?? '').manifest.name, sealed?.name);
    writeFileSync(file, before);
  });

  await t.test('a damaged backup restores nothing', async () => {
    const [entry] = listBackups(directory);
    const file = join(entry?.directory ?? '', 'base.tar.zst.sealed');
    const before = readFileSync(file);
    const altered = Buffer.from(before);
    altered[9] = (altered[9] as number) ^ 1;
    writeFileSync(file, altered);
    const dataDirectory = join(makeTestDirectory(), 'data');
    const target = { kind: 'time', at: new Date(systemClock.nowMs() - 1) } as const;
    const request = { directory, dataDirectory, target, secret: SECRET, masterKey: undefined, postgresMajor };
    const latest = listBackups(directory).filter((each) => each.name.endsWith('physical'));
    assert.equal(latest.length, 2);
    const checked = await checkBackups(directory, undefined, never);
    assert.match(checked[0]?.problem?.message ?? '', /SHA-256/);
    await assert.rejects(restorePhysical(request, restoreDeps), /cannot be restored; what can:/);
    writeFileSync(file, before);
    assert(!readdirSync(join(dataDirectory, '..')).includes('postgres'));
  });

  await t.test('log that Postgres has let go of needs a new base', async () => {
    await admin.run(sql`select pg_drop_replication_slot(${slotNameFor(directory)})`);
    for (let round = 0; round < 3; round++) {
      await admin.run(sql`select pg_switch_wal()`);
      await admin.run(sql`select pg_current_xact_id()`);
      await admin.run(sql`checkpoint`);
    }
    await assert.rejects(take({ what: 'wal' }), { code: 'backup_base_needed' });
    await take({ keep: 2 });
    await take({ what: 'wal' });
    assert.deepEqual(
      listBackups(directory).map(({ name }) => name.split('-')[1]),
      ['physical', 'wal', 'physical', 'wal'],
    );
  });

  await t.test('a backup that is given up leaves nothing', async () => {
    const before = readdirSync(directory);
    const given = new AbortController();
    const report = () => given.abort(new Error('given up'));
    await assert.rejects(take({}, { signal: given.signal, report }), /given up/);
    assert.deepEqual(readdirSync(directory), before);
    await database.core.first(sql`select 1`);
  });

  await t.test('files of a backup are private', () => {
    for (const file of filesBelow(directory)) assert.equal(statSync(file).mode & 0o077, 0, file);
  });
});
