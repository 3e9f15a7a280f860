import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { lifecycleSuite } from './lifecycle.suite.ts';
import { composeLifecycles, createLifecycle } from './lifecycle.ts';

const never = () => new AbortController().signal;
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

function part(name: string, events: string[], faults: { start?: boolean; stop?: boolean } = {}) {
  return createLifecycle(name, {
    async start(signal) {
      await nextTurn();
      signal.throwIfAborted();
      if (faults.start) throw new Error(`${name} cannot start`);
      events.push(`+${name}`);
    },
    async stop() {
      await nextTurn();
      events.push(`-${name}`);
      if (faults.stop) throw new Error(`${name} cannot stop`);
    },
  });
}

describe('one lifecycle', () => lifecycleSuite('a part', async () => part('a', [])));
describe('a composed lifecycle', () =>
  lifecycleSuite('three parts', async () =>
    composeLifecycles(
      'all',
      ['a', 'b', 'c'].map((name) => part(name, [])),
    ),
  ));

test('parts start in order and stop in reverse', async () => {
  const events: string[] = [];
  const all = composeLifecycles(
    'all',
    ['a', 'b', 'c'].map((name) => part(name, events)),
  );
  await all.start(never());
  await all.stop(never());
  assert.deepEqual(events, ['+a', '+b', '+c', '-c', '-b', '-a']);
});

test('a part that cannot start takes down those before it', async () => {
  const events: string[] = [];
  const all = composeLifecycles('all', [
    part('a', events),
    part('b', events, { start: true }),
    part('c', events),
  ]);
  await assert.rejects(all.start(never()), /b cannot start/);
  assert.deepEqual(
    events.filter((event) => event !== '-b'),
    ['+a', '-a'],
  );
  assert.equal(all.health().status, 'failing');
});

test('a part that cannot stop does not keep the others up, and is told of', async () => {
  const events: string[] = [];
  const all = composeLifecycles('all', [
    part('a', events),
    part('b', events, { stop: true }),
    part('c', events),
  ]);
  await all.start(never());
  await assert.rejects(all.stop(never()), /1 parts failed to stop/);
  assert.deepEqual(events, ['+a', '+b', '+c', '-c', '-b', '-a']);
});

test('property: whatever the order of calls, all settle and each part is stopped exactly as often as begun', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('start', 'stop', 'turn'), { maxLength: 12 }), async (calls) => {
      const events: string[] = [];
      const all = composeLifecycles(
        'all',
        ['a', 'b'].map((name) => part(name, events)),
      );
      const settled: Promise<unknown>[] = [];
      for (const call of calls) {
        if (call === 'turn') await nextTurn();
        else settled.push(all[call](never()).catch(() => {}));
      }
      settled.push(all.stop(never()));
      await Promise.all(settled);
      for (const name of ['a', 'b']) {
        const starts = events.filter((event) => event === `+${name}`).length;
        assert(starts <= 1);
        assert(events.filter((event) => event === `-${name}`).length >= starts);
      }
      assert.equal(all.health().status, 'failing');
    }),
    { numRuns: 50 },
  );
});

test('health names the part that fails', async () => {
  let failing = false;
  const moody = createLifecycle('moody', {
    async start() {},
    async stop() {},
    health: () => (failing ? { status: 'failing', reason: 'in a mood' } : { status: 'ok' }),
  });
  const all = composeLifecycles('all', [part('a', []), moody]);
  await all.start(never());
  assert.deepEqual(all.health(), { status: 'ok' });
  failing = true;
  assert.deepEqual(all.health(), { status: 'failing', reason: 'in a mood' });
  await all.stop(never());
});
