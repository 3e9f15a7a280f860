import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock, systemClock } from './clock.ts';
import { createDeadline, createPatientDeadline, withSignal } from './deadline.ts';

test('a deadline aborts with a coded reason at its time, unless done before', () => {
  const clock = createManualClock();
  const kept = createDeadline(clock, 100);
  const missed = createDeadline(clock, 100);
  kept.done();
  clock.advance(99);
  assert.equal(missed.signal.aborted, false);
  clock.advance(1);
  assert.equal(missed.signal.reason.code, 'deadline_exceeded');
  assert.equal(kept.signal.aborted, false);
});

test('a deadline follows its parent', () => {
  const clock = createManualClock();
  const parent = new AbortController();
  const child = createDeadline(clock, 100, parent.signal);
  parent.abort(new Error('parent'));
  assert.match(String(child.signal.reason), /parent/);
  assert.match(String(createDeadline(clock, 100, parent.signal).signal.reason), /parent/);
});

test('withSignal gives what comes first', async () => {
  const controller = new AbortController();
  assert.equal(await withSignal(Promise.resolve(5), controller.signal), 5);
  const waiting = withSignal(new Promise(() => {}), controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(withSignal(Promise.resolve(5), controller.signal), /enough/);
});

test('a patient deadline counts turns of the event loop as well as time', async () => {
  const clock = createManualClock();
  const punctual = createPatientDeadline(clock, 1000);
  clock.advance(999);
  assert(!punctual.signal.aborted);
  clock.advance(1);
  assert.equal(punctual.signal.reason.code, 'deadline_exceeded');

  const held = createPatientDeadline(systemClock, 20);
  const untilMs = systemClock.monotonicMs() + 40;
  while (systemClock.monotonicMs() < untilMs);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  assert(!held.signal.aborted, 'the loop stood still for twice as long, in one turn');
  while (!held.signal.aborted) await turn();

  const over = createPatientDeadline(clock, 1000);
  over.done();
  clock.advance(5000);
  assert(!over.signal.aborted);
});
