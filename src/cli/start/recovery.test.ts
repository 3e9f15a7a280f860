/**
 * What a running server makes of a Postgres that dies, of a disk that fills up, and of a Postgres that is not its own.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { createScene, FREE_PORT, type Loadstone, postgresIn, postmasterIn } from '../process.fixture.ts';

const scene = createScene({ after });
const KEY = 'a-root-key-for-the-recovery-tests';

interface Outcome {
  status: number;
  retryAfter: string | null;
  /** Of a link that was acknowledged. */
  code?: string;
}

async function tryToShorten(server: Loadstone, url: string): Promise<Outcome> {
  const reply = await server.request('/v1/shorten', { method: 'POST', body: { url } });
  const { status } = reply;
  const retryAfter = reply.headers.get('retry-after');
  if (status !== 201) {
    assert.equal(reply.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    await reply.arrayBuffer();
    return { status, retryAfter };
  }
  return { status, retryAfter, code: ((await reply.json()) as { code: string }).code };
}

describe('a Postgres that dies', () => {
  let server: Loadstone;
  const acknowledged = new Map<string, string>();

  before(async () => {
    server = await scene.start();
  });

  test('is restarted; requests meanwhile get 503 with Retry-After', async () => {
    const kept = await server.shorten('https://example.com/before');
    acknowledged.set(kept, 'https://example.com/before');
    const killed = postmasterIn(server.data);
    process.kill(killed, 'SIGKILL');

    const refused: Outcome[] = [];
    await eventually('links are made again', async () => {
      const url = `https://example.com/${acknowledged.size}/${refused.length}`;
      const outcome = await tryToShorten(server, url);
      if (outcome.code !== undefined) acknowledged.set(outcome.code, url);
      else refused.push(outcome);
      return refused.length > 0 && outcome.status === 201;
    });
    for (const outcome of refused) assert.equal(outcome.status, 503, JSON.stringify(outcome));
    assert(refused.some(({ retryAfter }) => Number(retryAfter) >= 1));
    await eventually('it is ready', async () => (await server.request('/readyz')).ok);
    assert.notEqual(postmasterIn(server.data), killed);
    await eventually('the log says so', () =>
      server.stderr().includes('Postgres is down and will be restarted'),
    );
    assert.equal(await server.follow(kept), 'https://example.com/before');
  });

  test('has lost nothing that was acknowledged, also after a restart of the server', async () => {
    await server.stop();
    const again = await scene.start({ data: server.data, key: server.key });
    for (const [code, url] of acknowledged) assert.equal(await again.follow(code), url);
    await again.stop();
  });
});

test('a disk that fills up loses nothing that was acknowledged, and works again once there is space', async (t) => {
  const disk = scene.directory();
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=128m', 'none', disk]).status !== 0)
    return t.skip('this user may not mount a small disk');
  scene.onEnd(() => void spawnSync('umount', ['--lazy', disk]));
  const env = { LOADSTONE_ROOT_KEY: KEY };
  const server = await scene.start({ data: join(disk, 'data'), key: KEY, env });

  const { bavail, bsize } = statfsSync(disk);
  const filler = join(disk, 'filler');
  writeFileSync(filler, Buffer.alloc((bavail - 16) * bsize));
  const acknowledged: [string, string][] = [];
  let outcome: Outcome;
  do {
    const url = `https://example.com/${acknowledged.length}/${'x'.repeat(7000)}`;
    outcome = await tryToShorten(server, url);
    if (outcome.code !== undefined) acknowledged.push([outcome.code, url]);
  } while (outcome.status === 201);
  assert(outcome.status >= 500, JSON.stringify(outcome));
  await eventually('the log says so', () => server.stderr().includes('No space left on device'));

  rmSync(filler);
  await eventually(
    'links are made again',
    async () => (await tryToShorten(server, 'https://example.com/')).status === 201,
  );
  await server.stop();
  const again = await scene.start({ data: join(disk, 'data'), key: KEY, env });
  for (const [code, url] of acknowledged) assert.equal(await again.follow(code), url);
  await again.stop();
});

test('LOADSTONE_DATABASE serves from a Postgres of one’s own, and leaves it running', async () => {
  const owner = await scene.start();
  const host = readFileSync(join(owner.data, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[4] ?? '';
  // A second database of the first server's Postgres.
  const address = `postgres://loadstone_super@/postgres?host=${encodeURIComponent(host)}`;
  const server = await scene.start({ isFresh: true, env: { LOADSTONE_DATABASE: address } });
  assert.match(server.stdout(), /^ +\d+\.\d s {2}connecting to Postgres\n/);
  assert(!existsSync(join(server.data, 'postgres')));
  assert.deepEqual(postgresIn(server.data), []);
  const code = await server.shorten('https://example.com/elsewhere');
  assert.equal(await server.follow(code), 'https://example.com/elsewhere');
  assert.equal(await owner.follow(code), undefined);
  await server.stop();

  const other = scene.directory();
  const args = ['start', '--data', join(other, 'data'), '--listen', FREE_PORT, '--database', address];
  const { code: status, stderr } = await scene.run(args, { cwd: other });
  assert.equal(status, 1, 'what the database keeps cannot be read with another master key');
  assert.match(stderr, /^loadstone: what this database keeps was sealed with another master key: /m);

  const again = await scene.start({
    env: { LOADSTONE_DATABASE: address },
    key: server.key,
    data: server.data,
  });
  assert.equal(await again.follow(code), 'https://example.com/elsewhere');
  await again.stop();
  assert.equal((await owner.request('/readyz')).status, 200);
  await owner.stop();
});

test('a Postgres of one’s own that cannot be reached keeps the server from starting', async () => {
  const cwd = scene.directory();
  const file = 'database: {primary: "postgres://127.0.0.1:1/none", startTimeoutMs: 1000}\n';
  writeFileSync(join(cwd, 'loadstone.yaml'), file);
  const { code, stdout, stderr } = await scene.run(['start', '--listen', FREE_PORT], { cwd });
  assert.equal(code, 1);
  assert.match(stdout, /cannot be reached yet: connect ECONNREFUSED 127\.0\.0\.1:1$/m);
  assert.match(stderr, /^loadstone: .*\b1000 ms \(database\.startTimeoutMs\).*\n$/);
});
