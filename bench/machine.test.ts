import assert from 'node:assert/strict';
import test from 'node:test';
import { parseCpuList, readProvenance } from './machine.ts';

test('lists of cores', () => {
  assert.deepEqual(parseCpuList('0-3,8'), [0, 1, 2, 3, 8]);
  assert.deepEqual(parseCpuList('5'), [5]);
});

test('a result says where it comes from', () => {
  const { date, commit, node, machine } = readProvenance();
  assert.match(date, /^\d{4}-\d\d-\d\dT/);
  assert.match(commit, /^([0-9a-f]{7,40}|uncommitted)$/);
  assert.equal(node, process.version);
  assert(machine.cores > 0);
});
