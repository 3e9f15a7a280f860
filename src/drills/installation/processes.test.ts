import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childrenOf, listProcesses, parseStat, residentBytes } from './processes.ts';

test('a name may hold what separates the fields', () => {
  assert.deepEqual(parseStat('12 (a) b (c)) S 7 12 12 0'), { name: 'a) b (c)', state: 'S', parentPid: 7 });
  assert.equal(parseStat(''), undefined);
});

test('this process is among its parent’s children', {
  skip: process.platform !== 'linux' && 'there is no /proc',
}, () => {
  assert(childrenOf(process.ppid).some(({ pid }) => pid === process.pid));
  const own = listProcesses().find(({ pid }) => pid === process.pid);
  assert.equal(own?.cwd, process.cwd());
  assert(residentBytes(process.pid) > 1_000_000);
  assert.equal(residentBytes(2 ** 30), 0);
});
