import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '#base/clock';
import { seededRandom } from '#base/random';
import { makeLaunch } from './launch.ts';
import { PROGRAM_ENVIRONMENT } from './program-environment.ts';
import { retryDelayMs, startTimeout } from './supervisor.ts';

test('property: retries wait longer and longer, in a bounded band that never reaches nothing', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.integer(), (attempt, seed) => {
      const delayMs = retryDelayMs(attempt, seededRandom(seed));
      const fullMs = Math.min(10_000, 100 * 2 ** attempt);
      assert(delayMs >= fullMs / 2 && delayMs <= fullMs, `${delayMs} of ${fullMs}`);
    }),
  );
});

test('the start timeout aborts with what was said last, or with its parent, or not at all', () => {
  const clock = createManualClock();
  const parent = new AbortController();
  const late = startTimeout(clock, 1000, parent.signal, () => ['FATAL: a', 'FATAL: b']);
  const done = startTimeout(clock, 1000, parent.signal, () => []);
  done.done();
  clock.advance(1000);
  assert.equal(late.signal.reason.code, 'postgres_start_timeout');
  assert.match(late.signal.reason.message, /not ready after 1000 ms; it said: FATAL: a \| FATAL: b/);
  assert(!done.signal.aborted);
  parent.abort(new Error('changed our mind'));
  assert.match(done.signal.reason.message, /changed our mind/);
});

const tied = makeLaunch({ tied: true });

test('a program whose parent died before it was tied does not begin', {
  skip: tied ? false : 'this machine cannot tie a child to its parent',
}, () => {
  const command = tied?.command('/bin/echo', ['it', 'runs $HOME "twice"']);
  assert(command);
  const run = (args: readonly string[]) =>
    spawnSync(command.file, args, { env: PROGRAM_ENVIRONMENT, encoding: 'utf8' });
  assert.equal(run(command.args).stdout, 'it runs $HOME "twice"\n');
  const ofAnother = command.args.map((arg) => (arg === String(process.pid) ? '1' : arg));
  assert.deepEqual([run(ofAnother).stdout, run(ofAnother).status], ['', 0]);
});
