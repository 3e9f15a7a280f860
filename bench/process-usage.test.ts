import assert from 'node:assert/strict';
import test from 'node:test';
import { parseStat, readCommand, readDescendants, readMemory, readStat } from './process-usage.ts';

const skip = process.platform === 'linux' ? false : '/proc is of Linux only';

test('a process name may hold spaces and parentheses', () => {
  const rest = 'S 41 1 1 0 -1 4194304 1 2 3 4 250 50 30 10 20 0 11 0 900';
  assert.deepEqual(parseStat(`42 (a (b) c) ${rest}`), {
    pid: 42,
    parentPid: 41,
    cpuMs: 3000,
    endedChildrenCpuMs: 400,
  });
});

test('this process is below its parent, and holds memory', { skip }, () => {
  const own = readStat('self');
  assert.equal(own.pid, process.pid);
  assert.equal(own.parentPid, process.ppid);
  assert(readDescendants(process.ppid).some(({ pid }) => pid === process.pid));
  assert(readCommand(process.pid).startsWith(process.execPath));
  const { residentMib, peakMib } = readMemory(process.pid);
  assert(residentMib > 1 && peakMib >= residentMib);
});

test('CPU time is what the operating system says it is', { skip }, () => {
  const before = readStat('self').cpuMs;
  const { user, system } = process.cpuUsage();
  assert(Math.abs(before - (user + system) / 1000) < 100);
});
