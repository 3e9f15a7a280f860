/**
 * `start --join`: a process beside the owner of a data directory, through the owner's death and return.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { holderOf } from '#blocks/postgres';
import { createScene, FREE_PORT, type Loadstone, noPostgresIn } from '../process.fixture.ts';
import { readMetric } from '../supervisor/processes.fixture.ts';

const KEY = 'a-root-key-for-the-join-tests';
const ENVIRONMENT = {
  LOADSTONE_ROOT_KEY: KEY,
  LOADSTONE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64url'),
};
const scene = createScene({ after });
const CLEAN = { code: 0, signal: null };

const said = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('loadstone: '));

describe('a joined process', () => {
  let data: string;
  let owner: Loadstone;
  let joined: Loadstone;
  let code: string;

  const start = (args: readonly string[]) => scene.start({ data, key: KEY, env: ENVIRONMENT, args });

  before(async () => {
    data = join(scene.directory(), 'data');
    owner = await start(['--data', data, '--listen', FREE_PORT]);
    joined = await start(['--join', data]);
    code = await owner.shorten('https://example.com/of-the-owner');
  });

  test('takes a free port, shows no key, and serves what the owner has', async () => {
    assert.notEqual(joined.url, owner.url);
    assert.doesNotMatch(joined.stdout(), /API key|creating/);
    assert.equal(await joined.follow(code), 'https://example.com/of-the-owner');
    const other = await joined.shorten('https://example.com/of-the-other');
    assert.equal(await owner.follow(other), 'https://example.com/of-the-other');
  });

  test('a port that is busy is told', async () => {
    const address = new URL(owner.url).host;
    const refused = await scene.run(['start', '--join', data, '--listen', address], { env: ENVIRONMENT });
    assert.equal(refused.code, 1);
    const lines = said(refused.stderr);
    assert.equal(lines.length, 1, refused.stderr);
    assert.match(lines[0] ?? '', new RegExp(`cannot listen on ${address}: another process listens there`));
  });

  test('without the master key that the owner was given, it makes none of its own', async () => {
    const refused = await scene.run(['start', '--join', data]);
    assert.equal(refused.code, 1);
    assert.match(
      said(refused.stderr).join('\n'),
      /^loadstone: \S+master\.key does not exist: .* from LOADSTONE_MASTER_KEY, and this process needs the same$/,
    );
    assert(!existsSync(join(data, 'master.key')));
  });

  test('as a worker it answers for its health alone; as an api it takes no lease', async () => {
    const worker = await start(['--join', data, '--role', 'worker']);
    assert.equal((await worker.request('/readyz')).status, 200);
    assert.equal((await worker.request('/metrics')).status, 200);
    for (const path of ['/v1/links', '/docs', '/openapi.json', `/${code}`]) {
      assert.equal((await worker.request(path)).status, 404, path);
    }
    assert.deepEqual(await worker.stop(), CLEAN);
    const api = await start(['--join', data, '--role', 'api']);
    assert.equal(await api.follow(code), 'https://example.com/of-the-owner');
    assert.equal(await readMetric(api, 'loadstone_outbox_leading'), 0);
    assert.deepEqual(await api.stop(), CLEAN);
  });

  test('while the owner is dead it answers 503 with Retry-After, and goes on by itself when there is one', async () => {
    await owner.kill9();
    await noPostgresIn(data);
    await eventually('it is not ready', async () => (await joined.request('/readyz')).status === 503);
    const refused = await joined.request('/v1/shorten', {
      method: 'POST',
      body: { url: 'https://example.com/' },
    });
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
    assert(!joined.hasExited());

    const starting = start(['--data', data, '--listen', FREE_PORT]);
    // An owner that is there has perhaps no Postgres yet.
    await eventually('it has the directory', () => holderOf(data) !== undefined);
    const other = await start(['--join', data]);
    owner = await starting;
    assert.equal(await other.follow(code), 'https://example.com/of-the-owner');
    assert.deepEqual(await other.stop(), CLEAN);
    await eventually('it is ready', async () => (await joined.request('/readyz')).ok);
    const made = await joined.shorten('https://example.com/after');
    assert.equal(await owner.follow(made), 'https://example.com/after');
    assert.deepEqual(await joined.stop(), CLEAN);
    assert.deepEqual(await owner.stop(), CLEAN);
  });

  test('with nobody there it is refused, on one line', async () => {
    for (const directory of [data, join(data, 'nothing')]) {
      const refused = await scene.run(['start', '--join', directory]);
      assert.equal(refused.code, 1);
      assert.deepEqual(said(refused.stderr), [
        `loadstone: no server runs with an embedded Postgres in ${directory}; start one there first, without --join`,
      ]);
    }
  });
});

test('what does not go with --join is refused', async () => {
  const line = async (...args: string[]) =>
    said((await scene.run(['start', '--join', '.', ...args])).stderr)[0];
  assert.match((await line('--data', 'x')) ?? '', /^loadstone: join: .*leave out --data$/);
  assert.match((await line('--processes', '2')) ?? '', /^loadstone: join: adds one process/);
  assert.match(
    (await line('--database', 'postgres://x@y/z')) ?? '',
    /^loadstone: join: with database\.primary/,
  );
});
