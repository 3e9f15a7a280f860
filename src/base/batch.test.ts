import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBatch } from './batch.ts';

test('what is asked in one turn is asked in one call, and each gets its own answer', async () => {
  const calls: (readonly number[])[] = [];
  const double = createBatch(async (asked: readonly number[]) => {
    calls.push(asked);
    return asked.map((each) => each * 2);
  });
  assert.deepEqual(await Promise.all([double(1), double(2), double(3)]), [2, 4, 6]);
  assert.equal(await double(4), 8);
  assert.deepEqual(calls, [[1, 2, 3], [4]]);
});

test('a call that fails fails for all who asked, and not for those after them', async () => {
  let isBroken = true;
  const ask = createBatch(async (asked: readonly string[]) => {
    if (isBroken) throw new Error('broken');
    return asked;
  });
  const [one, two] = await Promise.allSettled([ask('a'), ask('b')]);
  assert.deepEqual([one.status, two.status], ['rejected', 'rejected']);
  isBroken = false;
  assert.equal(await ask('c'), 'c');
});
