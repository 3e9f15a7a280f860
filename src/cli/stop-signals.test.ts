import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { judgeSignal, onStopSignals } from './stop-signals.ts';

test('a signal is the same as the first one for 500 ms', () => {
  assert.equal(judgeSignal(undefined, 0), 'first');
  assert.equal(judgeSignal(1000, 1000), 'same');
  assert.equal(judgeSignal(1000, 1499.9), 'same');
  assert.equal(judgeSignal(1000, 1500), 'second');
});

test('whatever the signals are, the first one stops and later ones hurry', (t) => {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const before = new Map(names.map((name) => [name, process.listeners(name)]));
  t.after(() => {
    for (const name of names)
      for (const listener of process.listeners(name))
        if (!before.get(name)?.includes(listener)) process.off(name, listener);
  });
  const clock = createManualClock();
  const told: string[] = [];
  onStopSignals(clock, false, {
    onFirst: () => told.push('stop'),
    onSecond: () => told.push('at once'),
  });
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
