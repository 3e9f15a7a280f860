/**
 * `loadstone database` beside a server that serves: the real commands.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { type DatabaseStatus, databaseStatus } from '#blocks/postgres';
import { createScene, FREE_PORT, type Scene } from '../process.fixture.ts';

const BOUND_MS = 60_000;

/** Asked as the command asks, without a process for each question; then the command has to say the same. */
async function eventuallyStreaming(scene: Scene, data: string): Promise<DatabaseStatus> {
  const untilMs = systemClock.monotonicMs() + BOUND_MS;
  for (;;) {
    const status = await databaseStatus(data);
    if (status.standbys[0]?.state === 'streaming') break;
    assert(systemClock.monotonicMs() < untilMs, JSON.stringify(status));
    await sleep(systemClock, 50);
  }
  const { stdout } = await scene.run(['database', 'status', '--data', data, '--json']);
  return JSON.parse(stdout) as DatabaseStatus;
}

test('a standby is promoted beside a server that serves, which goes on with all it has acknowledged', async (t) => {
  const scene = createScene(t);
  const directory = scene.directory();
  const data = join(directory, 'data');
  const config = join(directory, 'loadstone.yaml');
  writeFileSync(config, 'database:\n  standbys: 1\n');
  const server = await scene.start({
    data,
    args: ['--data', data, '--listen', FREE_PORT, '--config', config],
  });
  const code = await server.shorten('https://example.com/before');
  const before = await eventuallyStreaming(scene, data);
  assert.deepEqual(before.primary, { name: 'postgres', state: 'up' });

  const promoted = await scene.run(['database', 'promote', '--data', data]);
  assert.equal(promoted.stderr, '');
  assert.match(
    promoted.stdout,
    /^postgres-standby-1 is the primary now, in term 2, in the place of postgres; nothing was lost\n$/,
  );
  const after = await eventuallyStreaming(scene, data);
  assert.equal(after.term, 2);
  assert.deepEqual(after.primary, { name: 'postgres-standby-1', state: 'up' });
  assert.equal(after.standbys[0]?.name, 'postgres');

  const untilMs = systemClock.monotonicMs() + BOUND_MS;
  while ((await server.request('/readyz')).status !== 200) {
    assert(systemClock.monotonicMs() < untilMs, 'the server is not ready again');
    await sleep(systemClock, 50);
  }
  assert.equal(await server.follow(code), 'https://example.com/before');
  assert.equal(
    await server.follow(await server.shorten('https://example.com/after')),
    'https://example.com/after',
  );

  const { stdout } = await scene.run(['database', 'status', '--data', data]);
  assert.match(
    stdout,
    /^DIRECTORY +ROLE +STATE +BEHIND\npostgres-standby-1 +primary +up +-\npostgres +standby +streaming/,
  );
  assert.match(
    stdout,
    new RegExp(`term 2, run by pid ${server.pid}\nlast promotion: of postgres-standby-1, done\n$`),
  );

  const again = await scene.run(['database', 'promote', 'postgres-standby-1', '--data', data]);
  assert.deepEqual(
    [again.code, again.stderr],
    [1, 'loadstone: postgres-standby-1 is the primary already, in term 2\n'],
  );

  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  const log = server.stderr().trim().split('\n');
  const amiss = log.filter((line) => /"level":"(warn|error|fatal)"/.test(line));
  assert.doesNotMatch(log.join('\n'), /"level":"(error|fatal)"|"stack"/, 'a clean promotion, a clean stop');
  assert(amiss.length <= 8, amiss.join('\n'));
});

test('what cannot be promoted is refused with one line', async (t) => {
  const scene = createScene(t);
  const data = scene.directory();
  const none = await scene.run(['database', 'promote', '--data', data]);
  assert.deepEqual(
    [none.code, none.stderr],
    [1, 'loadstone: postgres has no standby; database.standbys gives it one\n'],
  );
  const elsewhere = await scene.run(['database', 'promote', '--database', 'postgres://db.example/x']);
  assert.deepEqual(
    [elsewhere.code, elsewhere.stderr],
    [1, 'loadstone: database.primary is a Postgres of your own: whoever operates it promotes its standbys\n'],
  );
  const missing = await scene.run(['database', 'status', '--data', join(data, 'nowhere')]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /nowhere does not exist; name another with --data/);
});
