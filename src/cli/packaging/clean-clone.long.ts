/**
 * What a new user does: a clean clone of the current commit, nothing installed, npm's cache empty, `npm start`.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '#base/testing/eventually.fixture';
import {
  cleanEnvironment,
  createScene,
  curlLines,
  FREE_PORT,
  IS_ROOT,
  NOBODY,
  processesIn,
  ROOT,
} from '../process.fixture.ts';

const sh = (line: string) => promisify(execFile)('sh', ['-c', line], { env: cleanEnvironment() });

/** Longer than the path of a socket may be, and with spaces. */
const LONG_NAME = 'a directory with spaces in its name '.repeat(4).trim();
const INSTALL_MS_MAX = 600_000;
const READY_MS_MAX = 3000;

interface Place {
  clone: string;
  home: string;
  as?: { uid: number; gid: number };
}

async function newUser(t: TestContext, name: string, as?: { uid: number; gid: number }): Promise<void> {
  const scene = createScene(t);
  const directory = scene.directory();
  const place: Place = { clone: join(directory, name), home: join(directory, 'home'), ...(as ? { as } : {}) };
  const cloned = spawnSync('git', ['clone', '--quiet', '--no-hardlinks', ROOT, place.clone], {
    encoding: 'utf8',
  });
  assert.equal(cloned.status, 0, cloned.stderr);
  mkdirSync(place.home);
  if (as) give(directory, as);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert(!existsSync(join(place.clone, 'node_modules')));

  const options = {
    command: ['npm'] as const,
    cwd: place.clone,
    data: join(place.clone, 'data'),
    env: { HOME: place.home, npm_config_cache: join(place.home, 'cache') },
    detached: true,
    ...(as ? { as } : {}),
  };
  const args = ['--', '--listen', FREE_PORT];
  const first = await scene.start({ ...options, args, boundMs: INSTALL_MS_MAX });
  const steps = [...first.stdout().matchAll(/^ +\d+\.\d s {2}(\w+)/gm)].map((match) => match[1]);
  assert.deepEqual(steps, ['installing', 'installed', 'starting', 'creating', 'migrating', 'listening']);
  const [shorten = '', follow = ''] = curlLines(first);
  assert.match((await sh(shorten)).stdout, /"code":"hello"/);
  assert.match((await sh(follow)).stdout, /^HTTP\/1.1 302 /);
  process.kill(-first.pid, 'SIGINT');
  await first.exited();
  assert.match(first.stdout(), /stopped\n$/);
  await eventually('every process has ended', () => processesIn(directory).length === 0);

  const second = await scene.start({ ...options, args, key: first.key });
  assert(second.readyMs < READY_MS_MAX, `ready after ${second.readyMs} ms`);
  assert.doesNotMatch(second.stdout(), /installing|API key|recovering/);
  assert.equal(await second.follow('hello'), 'https://example.com/');
  process.kill(-second.pid, 'SIGINT');
  assert.deepEqual(await second.exited(), { code: 0, signal: null });
  await eventually('every process has ended', () => processesIn(directory).length === 0);
}

function give(directory: string, { uid, gid }: { uid: number; gid: number }): void {
  chownSync(directory, uid, gid);
  assert.equal(spawnSync('chown', ['-R', `${uid}:${gid}`, directory]).status, 0);
}

describe('npm start in a clean clone', () => {
  test('as this user, in a directory of mode 0700', (t) => newUser(t, 'loadstone'));

  test('as this user, in a long path with spaces', (t) => newUser(t, LONG_NAME));

  test(
    'as an ordinary user, in a long path with spaces',
    {
      skip: !IS_ROOT && 'the tests above are this one',
    },
    (t) => newUser(t, LONG_NAME, NOBODY),
  );
});
