import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Clock, createManualClock } from '#base/clock';
import { judgeSignal, onStopSignals, type StopListeners } from './stop-signals.ts';

test('a signal is the same as the first one for 500 ms', () => {
  assert.equal(judgeSignal(undefined, 0), 'first');
  assert.equal(judgeSignal(1000, 1000), 'same');
  assert.equal(judgeSignal(1000, 1499.9), 'same');
  assert.equal(judgeSignal(1000, 1500), 'second');
});

/** Listens until the test ends, and gives what is told. */
function listen(t: TestContext, clock: Clock, more: Partial<StopListeners> = {}): string[] {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const before = new Map(names.map((name) => [name, process.listeners(name)]));
  t.after(() => {
    for (const name of names)
      for (const listener of process.listeners(name))
        if (!before.get(name)?.includes(listener)) process.off(name, listener);
  });
  const told: string[] = [];
  onStopSignals(clock, false, {
    onFirst: () => told.push('stop'),
    onSecond: () => told.push('at once'),
    ...more,
  });
  return told;
}

test('whatever the signals are, the first one stops and later ones hurry', (t) => {
  const clock = createManualClock();
  const told = listen(t, clock);
  process.emit('SIGTERM');
  clock.advance(499);
  process.emit('SIGINT');
  process.emit('SIGHUP');
  assert.deepEqual(told, ['stop']);
  clock.advance(1);
  process.emit('SIGINT');
  clock.advance(10_000);
  process.emit('SIGTERM');
  assert.deepEqual(told, ['stop', 'at once', 'at once']);
});

test('a SIGHUP that means something else never stops, and hurries no stop', (t) => {
  const clock = createManualClock();
  const told: string[] = listen(t, clock, { onHangUp: () => told.push('replace') });
  process.emit('SIGHUP');
  process.emit('SIGHUP');
  process.emit('SIGTERM');
  clock.advance(1000);
  process.emit('SIGHUP');
  assert.deepEqual(told, ['replace', 'replace', 'stop']);
});
