/**
 * What makes backups that look good and are not, and restores that do harm.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { sql } from '#blocks/database';
import { createEmbeddedPostgres, locateInstallation } from '#blocks/postgres';
import { makeTestDirectory } from '#fixtures/database';
import { backupDeps, never, startBackedUp } from './backup.fixture.ts';
import { takeBackup } from './backup.ts';
import { slotNameFor } from './postgres-connection.ts';
import { checkBackups } from './repository/check.ts';
import { createKeyring, newEncryption } from './repository/key.ts';
import { MANIFEST_FILE, type Manifest, renderManifest } from './repository/manifest.ts';
import { type GoodEntry, isGood, listBackups } from './repository/repository.ts';
import { storeFile } from './repository/stored-file.ts';
import { restorePhysical } from './restore/restore.ts';
import { nextRun } from './schedule.ts';
import { writeSchedule } from './schedule-rows.ts';
import { findSource } from './source.ts';

const SECRET = 'a passphrase that is long enough';
const OTHER_SECRET = 'a passphrase that is another one';
const [START_MS_MAX, STOP_MS_MAX] = [60_000, 20_000];

const { directory, source, take, admin, database } = await startBackedUp();
/** Has one base, from the second test on. */
const plain = join(makeTestDirectory(), 'backups');
const restoreDeps = { ...backupDeps, log: silentLog };

const restoreInto = (dataDirectory: string, secret?: string, from = directory) =>
  restorePhysical(
    {
      ...{ directory: from, dataDirectory, secret, target: { kind: 'latest' }, masterKey: undefined },
      postgresMajor: locateInstallation().major,
    },
    restoreDeps,
  );

const freshTarget = () => join(makeTestDirectory(), 'data');
const namesIn = (place: string) => listBackups(place).map(({ name }) => name);

function newest(place: string) {
  const entry = listBackups(place).at(-1);
  assert(entry && isGood(entry));
  return entry;
}

function rewrite(entry: GoodEntry, change: (manifest: Manifest) => unknown): void {
  const changed = change(structuredClone(entry.manifest)) as Manifest;
  writeFileSync(join(entry.directory, MANIFEST_FILE), renderManifest(changed, undefined));
}

const findSlot = (place: string) =>
  admin.first<{ at: string }>(sql`
    select restart_lsn::text as at from pg_replication_slots where slot_name = ${slotNameFor(place)}`);

test('a base that is taken because the log was lost keeps the log that comes after it; and no clock makes the newest the oldest', async () => {
  const place = join(makeTestDirectory(), 'backups');
  const { manifest: before } = await take({ directory: place, keepsLog: true });
  assert.equal((await findSlot(place))?.at, before.base?.stopLsn);
  await admin.run(sql`select pg_drop_replication_slot(${slotNameFor(place)})`);
  const stepped = { ...systemClock, nowMs: () => Date.UTC(2020, 0, 1) };
  const { manifest, removed } = await take({ directory: place, keep: 1 }, { clock: stepped });
  assert.deepEqual(removed, [before.name]);
  assert.deepEqual(namesIn(place), [manifest.name]);
});

test('two directories may be written to at once', async () => {
  const places = [plain, join(makeTestDirectory(), 'backups')];
  await Promise.all(places.map((place) => take({ directory: place, keepsLog: true })));
  assert.deepEqual(
    places.map((place) => namesIn(place).length),
    [1, 1],
  );
});

test('the log is encrypted with the key of its base, or not at all', async () => {
  const place = join(makeTestDirectory(), 'backups');
  await take({ directory: place, secret: SECRET });
  await assert.rejects(take({ directory: place, what: 'wal' }), { code: 'backup_key_missing' });
  const other = { directory: place, what: 'wal', secret: OTHER_SECRET } as const;
  await assert.rejects(take(other), { code: 'backup_base_needed', message: /not encrypted with the given/ });
  await take({ directory: place, what: 'wal', secret: SECRET });
  await take({ directory: place });
  await assert.rejects(take({ directory: place, what: 'wal', secret: SECRET }), {
    code: 'backup_base_needed',
  });
  const target = freshTarget();
  await assert.rejects(restoreInto(target, SECRET, place), { message: /does not vouch for it/ });
  assert(!existsSync(target));
});

test('a stretching that takes more memory than ours, or none, is refused', async () => {
  const encryption = newEncryption(systemRandom);
  for (const cost of [2, 32_769, 1_048_576, Number.NaN]) {
    const hostile = { ...encryption, kdf: { ...encryption.kdf, cost } };
    await assert.rejects(createKeyring(SECRET).keysFor(hostile), { code: 'backup_version_wrong' });
  }
});

test('a manifest that nobody has written is damage; one of another installation is not mixed with ours', async () => {
  const entry = newest(plain);
  const changes: ((manifest: Manifest) => unknown)[] = [
    (manifest) => ({ ...manifest, files: undefined }),
    (manifest) => ({ ...manifest, files: [{ ...manifest.files[0], path: '../../../etc/passwd' }] }),
    (manifest) => ({ ...manifest, encryption: {} }),
    (manifest) => ({ ...manifest, log: { ...manifest.log, segmentBytes: 0 } }),
    (manifest) => ({ ...manifest, statedAt: 'soon' }),
  ];
  for (const change of changes) {
    rewrite(entry, change);
    const [checked] = await checkBackups(plain, SECRET, never);
    assert.match(checked?.problem?.message ?? '', /is not one that a backup writes/);
  }
  rewrite(entry, ({ log, ...rest }) => ({ ...rest, log: { ...log, systemIdentifier: '1' } }));
  await assert.rejects(take({ directory: plain }), {
    code: 'backup_target_unusable',
    message: /of another installation/,
  });
  rewrite(entry, (manifest) => manifest);
});

test('a link among the files is refused: what is behind it would be missing', async () => {
  const row = await admin.first<{ at: string }>(sql`select current_setting('data_directory') as at`);
  const link = join(row?.at ?? '', 'base', 'elsewhere');
  symlinkSync(makeTestDirectory(), link);
  try {
    const place = join(makeTestDirectory(), 'backups');
    await assert.rejects(take({ directory: place }), { code: 'backup_unsupported', message: /is a link/ });
    assert.deepEqual(namesIn(place), []);
  } finally {
    rmSync(link);
  }
});

test('neither lies within the other: the data directory and that of the backups', async () => {
  const within = join(source.dataDirectory, 'backups');
  await assert.rejects(take({ directory: within }), { code: 'backup_target_unusable' });
  assert(!existsSync(within));
  const inPlain = join(plain, 'data');
  await assert.rejects(restoreInto(inPlain, undefined, plain), { code: 'restore_target_unusable' });
  assert(!existsSync(inPlain));
});

test('log that cannot be read to its end is no restore to the end', async () => {
  await take({ directory: plain, what: 'wal' });
  const entry = newest(plain);
  const { directory: backup, manifest } = entry;
  const segment = manifest.files.findLast(({ path }) => path.startsWith('wal/'));
  assert(segment);
  rmSync(join(backup, segment.path));
  const zeros = [Buffer.alloc(segment.bytes)];
  const stored = await storeFile(backup, segment.path.replace(/\.zst$/, ''), zeros, {
    keys: undefined,
    signal: never,
  });
  const files = manifest.files.map((file) => (file === segment ? stored : file));
  rewrite(entry, (own) => ({ ...own, files }));
  const target = freshTarget();
  await assert.rejects(restoreInto(target, undefined, plain), {
    code: 'restore_failed',
    message: /could read the log up to \S+ only, and it goes to /,
  });
  assert.deepEqual(readdirSync(target), []);
});

test('a restored copy leaves the backups of its original alone', async () => {
  const schedule = { pattern: '0 3 * * *', directory, keyFile: undefined, keep: 1 };
  const nextRunMs = nextRun(schedule.pattern, systemClock.nowMs());
  await writeSchedule(database.core, { ...schedule, what: 'base' }, nextRunMs);
  const { manifest: base } = await take();
  const target = freshTarget();
  // As a restore that was killed at its very end leaves it.
  for (const name of ['restore.draft', 'journal', 'postgres']) {
    mkdirSync(join(target, name), { recursive: true });
  }
  writeFileSync(join(target, 'postgres', 'restore.draft'), '');
  const server = createEmbeddedPostgres(
    { directory: join(target, 'postgres'), startTimeoutMs: START_MS_MAX },
    restoreDeps,
  );
  await assert.rejects(server.start(never), { code: 'data_foreign' });
  assert.equal((await restoreInto(target)).schedulesEnded, 1);
  await assert.rejects(restoreInto(target), { message: /is not empty: it holds / });

  const directoryOfCopy = join(target, 'postgres');
  const copy = createEmbeddedPostgres(
    { directory: directoryOfCopy, startTimeoutMs: START_MS_MAX },
    restoreDeps,
  );
  await copy.start(never);
  try {
    const own = findSource({ primary: undefined, dataDirectory: target }, undefined);
    const request = { directory, secret: undefined };
    await assert.rejects(takeBackup(own, { ...request, what: 'wal' }, backupDeps), {
      code: 'backup_base_needed',
    });
    const taken = await takeBackup(own, { ...request, what: 'base', keep: 1 }, backupDeps);
    assert.deepEqual(taken.removed, []);
    assert(namesIn(directory).includes(base.name));
    const { log } = taken.manifest;
    assert.equal(log?.systemIdentifier, base.log?.systemIdentifier);
    assert.notEqual(log?.incarnation, base.log?.incarnation);
  } finally {
    await copy.stop(AbortSignal.timeout(STOP_MS_MAX));
  }
  await take({ what: 'wal' });
});
