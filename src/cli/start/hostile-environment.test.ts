/**
 * A shell that is set up for another Postgres changes nothing: neither of the embedded Postgres, nor of one of one's own.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HOSTILE_ENVIRONMENT } from '#base/testing/hostile-environment.fixture';
import { createScene, FREE_PORT } from '../process.fixture.ts';

const scene = createScene({ after });

test('PG… variables and the like reach neither servers nor commands', async () => {
  const owner = await scene.start({ env: HOSTILE_ENVIRONMENT });
  const code = await owner.shorten('https://example.com/a');
  assert.equal(await owner.follow(code), 'https://example.com/a');
  const status = ['database', 'status', '--data', owner.data, '--json'];
  const told = await scene.run(status, { env: HOSTILE_ENVIRONMENT });
  assert.equal(told.code, 0, told.stderr);
  assert.equal(JSON.parse(told.stdout).primary.state, 'up');
  const doctor = await scene.run(['doctor', '--data', owner.data], { env: HOSTILE_ENVIRONMENT });
  assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr);

  const host = readFileSync(join(owner.data, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[4] ?? '';
  const address = `postgres://loadstone_super@/postgres?host=${encodeURIComponent(host)}`;
  const env = { ...HOSTILE_ENVIRONMENT, LOADSTONE_DATABASE: address };
  const beside = await scene.start({
    env,
    args: ['--data', join(scene.directory(), 'data'), '--listen', FREE_PORT],
  });
  const other = await beside.shorten('https://example.com/b');
  assert.equal(await beside.follow(other), 'https://example.com/b');
  await beside.stop();
  await owner.stop();
});
