import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listBackups } from '#blocks/backup';
import { lockDirectory } from '#blocks/postgres';
import { BACKUP_KEY, backupDestroyRestore, restore, runBackup } from './backup.fixture.ts';
import { eventually } from '#base/testing/eventually.fixture';
import { BOOTSTRAP, createScene, IS_ROOT } from '../process.fixture.ts';

test('backup, destroy, restore, verify, under write load, and to a time in between', async (t) => {
  await backupDestroyRestore(createScene(t), 1, 50);
});

const IN_NAMESPACE = ['unshare', ...(IS_ROOT ? [] : ['--user', '--map-root-user']), '--mount'] as const;

function canMount(): boolean {
  const [file, ...args] = [...IN_NAMESPACE, '/bin/sh', '-c', 'mount -t tmpfs none /tmp'];
  return spawnSync(file, args).status === 0;
}

test('one installation: encrypted, interrupted, on a full disk, restored with its key', async (t) => {
  const scene = createScene(t);
  const directory = scene.directory();
  const repository = join(directory, 'backups');
  const keyFile = join(directory, 'backup.key');
  writeFileSync(keyFile, `${BACKUP_KEY}\n`);
  const server = await scene.start();
  const flags = ['--data', server.data, '--key-file', keyFile];

  await t.test(
    'killed in the middle, it leaves nothing that counts, and the next one tidies up',
    async () => {
      const running = scene.spawn(['backup', repository, ...flags], { command: BOOTSTRAP });
      const drafts = () => readdirSync(repository).filter((name) => name.endsWith('.draft'));
      await eventually('it is writing', () => drafts().length === 1 || running.hasExited());
      running.child.kill('SIGKILL');
      await running.exited();
      const before = listBackups(repository).length;
      const code = await server.shorten('https://example.com/kept');
      const { name } = await runBackup(scene, [repository, ...flags]);
      assert.deepEqual(drafts(), []);
      const after = JSON.parse((await scene.run(['backup', 'ls', repository, '--json'])).stdout).items;
      assert.equal(after.length, before + 1);
      assert.equal(after.at(-1).name, name);
      assert.equal(await server.follow(code), 'https://example.com/kept');
    },
  );

  await t.test(
    'a full disk is said, and leaves nothing',
    {
      skip: canMount() ? false : 'this machine does not let us mount in a namespace',
    },
    async () => {
      const disk = join(directory, 'disk');
      mkdirSync(disk);
      const mount = 'mount -t tmpfs -o size=1m,mode=0700 none "$0" && exec "$@"';
      const through = [...IN_NAMESPACE, '/bin/sh', '-c', mount, disk, ...BOOTSTRAP] as const;
      const done = await scene.run(['backup', join(disk, 'backups'), '--data', server.data], {
        command: through,
      });
      assert.equal(done.code, 1);
      assert.match(done.stderr, /backups: the disk is full/);
    },
  );

  await t.test('the wrong key, or none, is refused', async () => {
    const target = join(directory, 'refused');
    const restoreWith = (env: Record<string, string>) =>
      scene.run(['restore', repository, '--data', target], { env });
    const [wrong, none] = await Promise.all([
      restoreWith({ LOADSTONE_BACKUP_KEY: 'some other passphrase' }),
      restoreWith({}),
    ]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /encrypted with another key/);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /is encrypted: give its key/);
  });

  await t.test('with the key, the master key comes back too', async () => {
    const checked = await scene.run(['backup', 'check', repository, '--key-file', keyFile]);
    assert.equal(checked.code, 0, checked.stdout);
    const { data } = await restore(scene, repository, ['--key-file', keyFile], {});
    const keyIn = (place: string) => readFileSync(join(place, 'master.key'), 'utf8');
    assert.equal(keyIn(data), keyIn(server.data));
    assert.equal(statSync(join(data, 'master.key')).mode & 0o777, 0o600);
  });

  await t.test('a directory that is not empty is not written to', async () => {
    const done = await scene.run(['restore', repository, '--data', server.data, '--key-file', keyFile]);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /is not empty/);
  });

  await t.test('beside another one it waits, and says for whom', async () => {
    const other = lockDirectory(repository);
    const waiting = scene.spawn(['backup', repository, ...flags]);
    await eventually('it waits', () => /another backup is being written there/.test(waiting.stderr()));
    assert.match(waiting.stderr(), new RegExp(`and is waited for: .*\\b${process.pid}\\b`));
    assert(!waiting.hasExited());
    other.release();
    assert.deepEqual(await waiting.exited(), { code: 0, signal: null }, waiting.stderr());
  });

  await t.test('a schedule is made, listed and taken away', async () => {
    const data = ['--data', server.data];
    const schedule = (pattern: string) => scene.run(['backup', repository, ...flags, '--schedule', pattern]);
    const [bad, made] = await Promise.all([schedule('now and then'), schedule('0 3 * * *')]);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /^loadstone: --schedule: .* is not a cron pattern/);
    assert.match(made.stdout, /^a base backup into .* by "0 3 \* \* \*" \(UTC\), next at .*T03:00:00Z\n$/);
    assert.match((await scene.run(['backup', 'ls', ...data])).stdout, /^base +0 3 .* has not run$/m);
    assert.equal((await scene.run(['backup', ...data, '--unschedule'])).code, 0);
    assert.equal((await scene.run(['backup', 'ls', ...data])).stdout, 'no backups are scheduled\n');
  });
});
