import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createManualClock } from '#base/clock';
import { deadlineErrors } from '#base/deadline';
import { createProbe, PROBE_EVERY_MS } from './probe.ts';

function setUp() {
  const clock = createManualClock();
  let silences = 0;
  const asked: { answer(): void; fail(error: Error): void }[] = [];
  const probe = createProbe(
    clock,
    () =>
      new Promise<void>((resolve, reject) => {
        asked.push({ answer: resolve, fail: reject });
      }),
    () => {
      silences += 1;
    },
  );
  return { clock, asked, probe, silences: () => silences };
}

test('a failure is asked after at once, and health is back with the first answer', async () => {
  const { clock, asked, probe } = setUp();
  assert.deepEqual(probe.health(), { status: 'ok' });
  probe.failed(new Error('it broke'));
  probe.failed(new Error('so did another'));
  assert.deepEqual(probe.health(), {
    status: 'failing',
    reason: 'the database cannot be reached: it broke',
  });
  clock.advance(0);
  assert.equal(asked.length, 1);
  asked[0]!.answer();
  await turn();
  assert.deepEqual(probe.health(), { status: 'ok' });
  clock.advance(10 * PROBE_EVERY_MS);
  assert.equal(asked.length, 1);
});

test('while nothing answers it goes on asking, one at a time, and tells the latest reason', async () => {
  const { clock, asked, probe } = setUp();
  probe.failed(new Error('first'));
  clock.advance(0);
  for (let i = 1; i <= 5; i++) {
    assert.equal(asked.length, i);
    clock.advance(10 * PROBE_EVERY_MS);
    assert.equal(asked.length, i);
    asked[i - 1]!.fail(new Error(`try ${i}`));
    await turn();
    assert.match(JSON.stringify(probe.health()), new RegExp(`try ${i}`));
    clock.advance(PROBE_EVERY_MS - 1);
    assert.equal(asked.length, i);
    clock.advance(1);
  }
  asked[5]!.answer();
  await turn();
  assert.deepEqual(probe.health(), { status: 'ok' });
});

test('closed, it asks no more', async () => {
  const { clock, asked, probe } = setUp();
  probe.failed(new Error('first'));
  clock.advance(0);
  probe.close();
  asked[0]!.fail(new Error('late'));
  await turn();
  clock.advance(10 * PROBE_EVERY_MS);
  assert.equal(asked.length, 1);
});

test('what is only slow is suspected, asked, and well', async () => {
  const { clock, asked, probe } = setUp();
  probe.suspect();
  probe.suspect();
  clock.advance(0);
  assert.equal(asked.length, 1);
  assert.deepEqual(probe.health(), { status: 'ok' });
  asked[0]!.answer();
  await turn();
  assert.deepEqual(probe.health(), { status: 'ok' });
  assert(!probe.isSilent());
});

test('what gives a probe no answer is silent, said once, until it answers', async () => {
  const { clock, asked, probe, silences } = setUp();
  probe.suspect();
  clock.advance(0);
  for (let i = 0; i < 3; i++) {
    asked[i]!.fail(deadlineErrors.deadline_exceeded());
    await turn();
    assert(probe.isSilent());
    assert.equal(silences(), 1);
    assert.equal(probe.health().status, 'failing');
    clock.advance(PROBE_EVERY_MS);
  }
  asked[3]!.fail(new Error('refused'));
  await turn();
  assert(!probe.isSilent());
  assert.match(JSON.stringify(probe.health()), /refused/);
  clock.advance(PROBE_EVERY_MS);
  asked[4]!.answer();
  await turn();
  assert.deepEqual(probe.health(), { status: 'ok' });
});
