/**
 * The command pointed at an installation that runs: it takes one that was started for drills, breaks it, and leaves it as
 * it was. What drills find out is tested in src/drills.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  drillAt,
  drillWell,
  ROOT_KEY,
  startTestInstallation,
  type TestInstallation,
} from './drill.fixture.ts';
import { createScene } from './process.fixture.ts';

const skip = process.platform !== 'linux' && 'drills need /proc';

describe('an installation that was started for drills', { skip }, () => {
  const scene = createScene({ after });
  let installation: TestInstallation;
  let data: string;

  before(async () => {
    installation = await startTestInstallation(scene);
    data = installation.server.data;
  });

  test('loses a process, and serves afterwards with all that it had', async () => {
    const args = ['process-dies', '--seconds', '10', '--rate', '20'];
    assert.equal(await drillWell(scene, data, args), '4 of links');
    await installation.isAsBefore();
  });

  test('is not drilled with what it does not have, nor without its key', async () => {
    const [lost, down, stranger, keyless, other] = await Promise.all([
      drillAt(scene, data, ['primary-lost']),
      drillAt(scene, data, ['workers-down']),
      drillAt(scene, data, ['quick'], 'not-the-key-of-this-installation'),
      drillAt(scene, data, ['quick'], ''),
      drillAt(scene, data, ['quick', '--systems', 'links']),
    ]);
    assert.deepEqual([lost.code, down.code, stranger.code, keyless.code, other.code], [3, 3, 3, 2, 2]);
    assert.match(lost.stderr, /primary-lost needs a standby/);
    assert.match(down.stderr, /workers-down needs a worker apart that it can start again, which/);
    assert.match(stranger.stderr, /does not give its links to LOADSTONE_ROOT_KEY: .*401/);
    assert.match(keyless.stderr, /set LOADSTONE_ROOT_KEY/);
    assert.match(other.stderr, /--systems: with --data it is those that run there/);
  });
});

test('an installation that was not started for drills is refused', { skip }, async (t) => {
  const scene = createScene(t);
  const server = await scene.start({ env: { LOADSTONE_ROOT_KEY: ROOT_KEY }, key: ROOT_KEY });
  const { code, stderr } = await drillAt(scene, server.data, ['database-killed']);
  assert.equal(code, 3);
  assert.match(stderr, /^loadstone: .*was not started for drills, and a drill kills processes/m);
  const list = (await (await server.request('/v1/links')).json()) as { items: unknown[] };
  assert.deepEqual(list.items, []);
});
