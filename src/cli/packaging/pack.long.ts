/**
 * The package installed from its tarball by npm, in an empty directory and with an empty cache, and run by npx.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import {
  createScene,
  FREE_PORT,
  findOlderNode,
  type Loadstone,
  noPostgresIn,
  processesIn,
} from '../process.fixture.ts';
import { packTarball, servesAll, writeSystems } from './pack.fixture.ts';

const scene = createScene({ after });
const KEY = 'a-root-key-for-the-packed-tests';
let project: string;

before(async () => {
  const { file } = await packTarball(scene);
  project = scene.directory();
  writeFileSync(join(project, 'package.json'), '{"private": true}\n');
  const { code, stderr } = await scene.run(['install', '--no-audit', '--no-fund', '--loglevel=error', file], {
    command: ['npm'],
    cwd: project,
    env: { npm_config_cache: scene.directory() },
    boundMs: 300_000,
  });
  assert.deepEqual([code, stderr], [0, ''], 'not a word of engines');
  writeSystems(project);
});

const start = (options: Parameters<typeof scene.start>[0]) =>
  scene.start({
    cwd: project,
    data: join(project, 'data'),
    args: ['--listen', FREE_PORT],
    key: KEY,
    env: { LOADSTONE_ROOT_KEY: KEY },
    detached: true,
    ...options,
  });

async function stops(server: Loadstone): Promise<void> {
  await eventually('every process has ended', () => processesIn(project).length === 0);
  assert.match(server.stdout(), /stopping\n.*stopped\n$/);
  await noPostgresIn(server.data);
}

test('`npx loadstone start` serves; Ctrl-C stops it', async () => {
  const server = await start({ command: ['npx', 'loadstone'] });
  await servesAll(server);
  process.kill(-server.pid, 'SIGINT');
  await server.exited();
  await stops(server);
});

test('SIGTERM for npx alone stops it', async () => {
  const server = await start({ command: ['npx', 'loadstone'] });
  process.kill(server.pid, 'SIGTERM');
  await stops(server);
  await server.exited();
});

const older = findOlderNode();

describe('on a host with an older Node', { skip: older === undefined && 'there is none on the path' }, () => {
  const program = () => join(project, 'node_modules', 'loadstone', 'bin', 'loadstone.mjs');

  test('the program hands over to the Node that came with it', async () => {
    const server = await start({ command: [older ?? '', program()] });
    await servesAll(server);
    process.kill(server.pid, 'SIGTERM');
    assert.deepEqual(await server.exited(), { code: 0, signal: null });
    await stops(server);
  });

  test('npx finds that Node on the path, and it works all the same', async () => {
    const PATH = `${dirname(older ?? '')}:${process.env.PATH}`;
    const server = await start({ command: ['npx', 'loadstone'], env: { LOADSTONE_ROOT_KEY: KEY, PATH } });
    await servesAll(server);
    process.kill(-server.pid, 'SIGINT');
    await server.exited();
    await stops(server);
  });
});
