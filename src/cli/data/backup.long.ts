/**
 * Backups under load, by seeds: LOADSTONE_SEED is the first, LOADSTONE_RUNS how many.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSeed } from '#base/testing/seed.fixture';
import { startTestPostgres } from '#fixtures/database';
import {
  assertHolds,
  backupDestroyRestore,
  destroy,
  MASTER_KEY,
  ROOT_KEY,
  runBackup,
  write,
} from './backup.fixture.ts';
import { createScene, FREE_PORT } from '../process.fixture.ts';

const first = readSeed();
const runs = Number(process.env.LOADSTONE_RUNS ?? 10);

for (let seed = first; seed < first + runs; seed++) {
  test(`backup, destroy, restore, verify: seed ${seed}`, (t) => backupDestroyRestore(createScene(t), seed));
}

test('a Postgres of your own: its rows as of one moment, into an empty database', async (t) => {
  const scene = createScene(t);
  const postgres = await startTestPostgres();
  const url = await postgres.makeDatabase();
  const repository = join(scene.directory(), 'backups');
  const env = { LOADSTONE_ROOT_KEY: ROOT_KEY, LOADSTONE_MASTER_KEY: MASTER_KEY };
  const data = join(scene.directory(), 'data');
  const server = await scene.start({
    data,
    key: ROOT_KEY,
    env,
    args: ['--data', data, '--listen', FREE_PORT, '--database', url],
  });
  const writing = write(server);
  await writing.more(50);
  const { statedAt } = await runBackup(scene, [repository, '--data', data, '--database', url], env);
  await writing.more(20);
  await destroy(server, writing);

  const refused = await scene.run(['restore', repository, '--data', data, '--database', url], { env });
  assert.match(refused.stderr, /the database is not empty: it holds /);
  const empty = await postgres.makeDatabase();
  const target = join(scene.directory(), 'data');
  const done = await scene.run(['restore', repository, '--data', target, '--database', empty], { env });
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, new RegExp(`acknowledged before ${statedAt} is there`));
  const verified = await scene.run(['verify', '--data', target, '--database', empty]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const args = ['--data', target, '--listen', FREE_PORT, '--database', empty];
  await assertHolds(scene, target, writing.written, { until: Date.parse(statedAt) }, args);
});

test('a stopped installation is backed up as well, and older backups are removed', async (t) => {
  const scene = createScene(t);
  const repository = join(scene.directory(), 'backups');
  const server = await scene.start();
  const { name } = await runBackup(scene, [repository, '--data', server.data]);
  await server.stop();
  const { removed } = await runBackup(scene, [repository, '--data', server.data, '--keep', '1']);
  assert.deepEqual(removed, [name]);
  const checked = await scene.run(['backup', 'check', repository]);
  assert.equal(checked.stdout, '1 backup read, 0 damaged\n');
});
