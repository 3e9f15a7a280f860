/**
 * Two servers on one data directory that cannot see each other's processes, as in two containers on one volume.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { apartFromHere, UNSHARE } from '#base/testing/namespaces.fixture';
import { BOOTSTRAP, createScene, FREE_PORT, type Loadstone } from '../process.fixture.ts';

const scene = createScene({ after });
const KEY = 'a-root-key-for-the-tests-of-two-owners';
const env = { LOADSTONE_ROOT_KEY: KEY };
const APART = UNSHARE.concat(BOOTSTRAP) as [string, ...string[]];

test('the second is refused whatever it sees, and a killed one’s successor starts and finds what was acknowledged', {
  skip: apartFromHere && `containers cannot be imitated: ${apartFromHere}`,
}, async () => {
  const cwd = scene.directory();
  const data = `${cwd}/data`;
  const acknowledged: string[] = [];
  const start = (command?: [string, ...string[]]) =>
    scene.start({ data, key: KEY, env, ...(command ? { command } : {}) });

  async function refused(command: [string, ...string[]] | undefined, why: RegExp): Promise<void> {
    const args = ['start', '--data', data, '--listen', FREE_PORT];
    const end = await scene.run(args, { cwd, env, ...(command ? { command } : {}) });
    assert.equal(end.code, 1, end.stdout + end.stderr);
    assert.match(end.stderr, why);
  }

  async function findsAllAndMakesMore(server: Loadstone): Promise<void> {
    for (const code of acknowledged) assert.equal(await server.follow(code), 'https://example.com/kept');
    for (let made = 0; made < 5; made++) acknowledged.push(await server.shorten('https://example.com/kept'));
  }

  const unseen = /in use by another server \(pid \d+ of .+\), which runs in another container or on another/;
  const first = await start(APART);
  await findsAllAndMakesMore(first);
  await refused(undefined, unseen);
  await refused(APART, unseen);
  await findsAllAndMakesMore(first);
  await first.kill9();

  const second = await start();
  await findsAllAndMakesMore(second);
  await refused(APART, unseen);
  await second.kill9();

  // What is left of the second one's Postgres is in a namespace that the third does not see.
  const third = await start(APART);
  await findsAllAndMakesMore(third);
  await third.kill9();
  assert.equal(acknowledged.length, 20);
});
