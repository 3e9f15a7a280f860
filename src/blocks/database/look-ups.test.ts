import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createManualClock } from '#base/clock';
import { createLookUps } from './look-ups.ts';

/** A table whose queries are answered when the test says so. */
function makeTable(options: { waitingMax?: number; batchMax?: number } = {}) {
  const clock = createManualClock();
  const queries: { keys: readonly string[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const lookUps = createLookUps<string>(
    {
      waitingMax: 10,
      batchMax: 4,
      timeoutMs: 1000,
      ...options,
      find: (keys, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          queries.push({
            keys,
            answer: () => resolve(new Map(keys.filter((k) => k < 'x').map((k) => [k, k.toUpperCase()]))),
            fail: reject,
          });
        }),
      refuse: (waiting) => new Error(`${waiting} wait`),
    },
    { clock },
  );
  return { clock, queries, lookUps };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('look-ups', () => {
  test('those of one tick share a query, the next ones gather, each key is asked for once', async () => {
    const { queries, lookUps } = makeTable();
    const first = ['a', 'b', 'a', 'x'].map((key) => lookUps.find(key));
    await tick();
    const next = ['c', 'a', 'c'].map((key) => lookUps.find(key));
    await tick();
    assert.deepEqual(
      queries.map(({ keys }) => keys),
      [['a', 'b', 'x']],
    );
    assert.equal(lookUps.waiting(), 7);
    queries[0]?.answer();
    assert.deepEqual(await Promise.all(first), ['A', 'B', 'A', undefined]);
    await tick();
    assert.deepEqual(queries[1]?.keys, ['c', 'a']);
    queries[1]?.answer();
    assert.deepEqual(await Promise.all(next), ['C', 'A', 'C']);
    await tick();
    assert.equal(lookUps.waiting(), 0);
    assert.equal(queries.length, 2, 'at rest nothing is asked');
  });

  test('a query holds so many keys, those who go first come first and are never too many', async () => {
    const { queries, lookUps } = makeTable({ waitingMax: 5, batchMax: 2 });
    const all = ['a', 'b', 'c', 'd', 'e'].map((key) => lookUps.find(key));
    await assert.rejects(lookUps.find('f'), /5 wait/);
    await tick();
    all.push(lookUps.find('g', 'first'), lookUps.find('e', 'first'));
    for (let at = 0; at < 3; at++) {
      queries[at]?.answer();
      await tick();
    }
    assert.deepEqual(
      queries.map(({ keys }) => keys),
      [
        ['a', 'b'],
        ['g', 'e'],
        ['c', 'd'],
      ],
    );
    assert.deepEqual(await Promise.all(all), ['A', 'B', 'C', 'D', 'E', 'G', 'E']);
    assert.equal(lookUps.waiting(), 0);
  });

  test('a query that fails or has no answer fails those who wait for it, and not the next ones', async () => {
    const { clock, queries, lookUps } = makeTable();
    const failed = lookUps.find('a');
    await tick();
    queries[0]?.fail(new Error('gone'));
    await assert.rejects(failed, /gone/);
    const silent = lookUps.find('a');
    await tick();
    clock.advance(1000);
    await assert.rejects(silent, { code: 'deadline_exceeded' });
    const good = lookUps.find('a');
    await tick();
    queries[2]?.answer();
    assert.equal(await good, 'A');
    assert.equal(lookUps.waiting(), 0);
  });
});
