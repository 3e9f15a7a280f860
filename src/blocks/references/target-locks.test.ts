import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lockKeys, lockTargets, TARGETS_MAX } from './target-locks.ts';

const targets = { system: 'people', workspaceId: '1', ids: ['1', '2', '3'] };

test('locks are in one order, whatever the order of the ids, and each is there once', () => {
  const keys = lockKeys(targets);
  assert.deepEqual(lockKeys({ ...targets, ids: ['3', '1', '2', '1'] }), keys);
  assert.deepEqual(
    keys,
    keys.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)),
  );
  assert.equal(keys.length, 3);
});

test('another system or workspace has other locks', () => {
  const all = [targets, { ...targets, system: 'feed' }, { ...targets, workspaceId: '2' }].flatMap(lockKeys);
  assert.equal(new Set(all).size, 9);
});

test('too many targets are a mistake of the program', async () => {
  const ids = Array.from({ length: TARGETS_MAX + 1 }, (_, i) => String(i));
  const never = async () => assert.fail('nothing is sent');
  const unused = { rows: never, first: never, run: never };
  await assert.rejects(lockTargets(unused, 'shared', { ...targets, ids }), { code: 'ERR_ASSERTION' });
});
