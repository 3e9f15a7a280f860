import assert from 'node:assert/strict';
import test from 'node:test';
import { defineLazy } from './lazy.ts';

test('the property is made when it is read, for each object by its own', () => {
  const withLog = defineLazy<'log', string>('log');
  let made = 0;
  const make = (text: string) => () => {
    made += 1;
    return text;
  };
  const one = withLog({ id: 1 }, make('one'));
  const other = withLog({ id: 2 }, make('other'));
  assert.equal(made, 0);
  assert.deepEqual([one.log, one.id, other.log, other.id], ['one', 1, 'other', 2]);
  assert.equal(made, 2);
  const { log } = other;
  assert.equal(log, 'other');
});
