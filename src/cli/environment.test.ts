import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distance, unknownVariables } from './environment.ts';

test('letters added, removed and changed count', () => {
  assert.deepEqual(
    [distance('', 'abc'), distance('abc', 'abc'), distance('kitten', 'sitting'), distance('ab', 'ba')],
    [3, 0, 3, 2],
  );
});

test('a variable of ours that nothing heeds is named, with the nearest; known ones and those of others are not', () => {
  const env = {
    LOADSTONE_LISEN: 'x',
    LOADSTONE_DATA: 'x',
    loadstone_rootkey: 'x',
    PATH: 'x',
    LOADSTONE_CHILDREN: '2',
  };
  assert.deepEqual(unknownVariables(env), [
    'the variable LOADSTONE_LISEN is not known, and has no effect; the nearest is LOADSTONE_LISTEN',
    'the variable loadstone_rootkey is not known, and has no effect; the nearest is LOADSTONE_ROOT_KEY',
  ]);
  const many = Object.fromEntries(Array.from({ length: 99 }, (_, n) => [`LOADSTONE_${n}`, 'x']));
  assert.equal(unknownVariables(many).length, 10);
});
