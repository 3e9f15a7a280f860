import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCoarseTime, createManualClock, sleep, systemClock } from './clock.ts';

test('the manual clock runs timers in order of their time, also those that timers make', () => {
  const clock = createManualClock(1000);
  const ran: string[] = [];
  clock.after(20, () => ran.push(`b@${clock.nowMs()}`));
  clock.after(10, () => {
    ran.push(`a@${clock.nowMs()}`);
    clock.after(5, () => ran.push(`c@${clock.nowMs()}`));
  });
  clock.after(30, () => ran.push('never')).cancel();
  clock.advance(25);
  assert.deepEqual(ran, ['a@1010', 'c@1015', 'b@1020']);
  assert.deepEqual([clock.nowMs(), clock.monotonicMs()], [1025, 25]);
});

test('a step moves the wall clock alone', () => {
  const clock = createManualClock(1000);
  clock.step(-600);
  assert.deepEqual([clock.nowMs(), clock.monotonicMs()], [400, 0]);
});

test('property: any set of timers fires each once, at its time, none early', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 50 }),
      fc.array(fc.nat(200), { maxLength: 20 }),
      (delays, steps) => {
        const clock = createManualClock(0);
        const fired: number[] = [];
        for (const delay of delays) clock.after(delay, () => fired.push(clock.monotonicMs() - delay));
        for (const step of steps) clock.advance(step);
        clock.advance(0);
        const until = clock.monotonicMs();
        assert.deepEqual(
          fired,
          delays.filter((delay) => delay <= until).map(() => 0),
        );
      },
    ),
  );
});

test('sleep resolves after its time and rejects with the signal reason', async () => {
  const clock = createManualClock();
  const done = sleep(clock, 50);
  clock.advance(50);
  await done;
  const controller = new AbortController();
  const cut = sleep(clock, 50, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(cut, /enough/);
  await assert.rejects(sleep(clock, 50, AbortSignal.abort(new Error('before'))), /before/);
});

test('the system clock waits, and does not fire an overlong timer at once', async () => {
  const startedMs = systemClock.monotonicMs();
  let firedEarly = false;
  const timer = systemClock.after(2 ** 40, () => {
    firedEarly = true;
  });
  await sleep(systemClock, 20);
  timer.cancel();
  assert.equal(firedEarly, false);
  assert(systemClock.monotonicMs() - startedMs >= 19);
});

test('the coarse time is late by less than a millisecond, or by 63 reads where no timer can run', () => {
  const clock = createManualClock();
  const timeMs = createCoarseTime(clock);
  const beganMs = timeMs();
  assert.equal(beganMs, clock.monotonicMs());
  clock.advance(0.5);
  assert.equal(timeMs(), beganMs);
  clock.advance(0.5);
  assert.equal(timeMs(), beganMs + 1);
  clock.advance(0.25);
  const read = Array.from({ length: 64 }, timeMs);
  assert.deepEqual([read[0], read.at(-1)], [beganMs + 1, beganMs + 1.25]);
  clock.advance(60_000);
  assert.equal(timeMs(), clock.monotonicMs());
});
