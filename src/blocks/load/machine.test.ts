import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import {
  type MachineSample,
  type ProcessTimes,
  parseMachineTimes,
  parseProcessTimes,
  sampleOf,
  summarize,
  treesOf,
  usedBetween,
  watchMachine,
} from './machine.ts';

const times = (pid: number, parentPid: number, ownMs: number, endedMs = 0): ProcessTimes => ({
  ...{ pid, parentPid, ownMs, endedMs },
});
const deps = { clock: systemClock };
const byPid = (...all: ProcessTimes[]) => new Map(all.map((each) => [each.pid, each]));

describe('what /proc says', () => {
  test('of the machine: what its host took is neither busy nor idle', () => {
    const text = 'cpu  100 5 50 800 20 3 2 40 7 0\ncpu0 1 2 3\n';
    assert.deepEqual(parseMachineTimes(text), { busyMs: 1600, idleMs: 8200, stealMs: 400 });
  });

  test('of a process, whatever it is called', () => {
    const text = '42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 11 0';
    assert.deepEqual(parseProcessTimes(text), times(42, 7, 2000, 300));
  });
});

describe('trees', () => {
  const all = [times(1, 0, 0), times(10, 1, 0), times(11, 10, 0), times(12, 11, 0), times(20, 1, 0)];

  test('are all below their roots, each once', () => {
    assert.deepEqual([...treesOf(all, [10, 11, 99]).keys()].sort(), [10, 11, 12]);
  });

  test('have used what the living have, what the ended had left, and nothing twice', () => {
    const before = byPid(times(10, 1, 100, 0), times(11, 10, 300, 50));
    assert.equal(usedBetween(before, byPid(times(10, 1, 150), times(11, 10, 500, 50))), 250);
    // 11 has ended with 400 of its own and 60 of its children.
    assert.equal(usedBetween(before, byPid(times(10, 1, 150, 460))), 50 + 110);
    // 12 has come and gone in between, 13 has come.
    const after = byPid(times(10, 1, 100, 70), times(11, 10, 300, 50), times(13, 10, 30));
    assert.equal(usedBetween(before, after), 100);
    // A parent is killed, and its child goes on below another.
    assert.equal(usedBetween(before, byPid(times(11, 1, 310, 50))), 10);
  });
});

describe('shares', () => {
  const before = { busyMs: 1000, idleMs: 1000, stealMs: 0 };

  test('add up to the time that was not idle', () => {
    const after = { busyMs: 1600, idleMs: 1300, stealMs: 100 };
    assert.deepEqual(sampleOf(before, after, 200), { foreignShare: 0.4, stealShare: 0.1, ownShare: 0.2 });
    // Clocks of processes and of the machine tick apart.
    assert.deepEqual(sampleOf(before, after, 700), { foreignShare: 0, stealShare: 0.1, ownShare: 0.6 });
    assert.equal(sampleOf(before, before, 0), undefined);
  });

  test('are means by time, and the worst of two seconds in a row', () => {
    const sample = (foreignShare: number, durationMs = 500): MachineSample => ({
      ...{ durationMs, foreignShare, stealShare: 0, ownShare: 0.1 },
    });
    const quiet = Array.from({ length: 16 }, () => sample(0));
    const { foreignShare, worstShare } = summarize([...quiet, sample(1), sample(1), ...quiet]);
    assert(Math.abs(foreignShare - 2 / 34) < 1e-9);
    assert.equal(worstShare, 0.5);
    assert.equal(summarize([]).worstShare, 0);
    assert.equal(summarize([sample(0.6, 1500), sample(0, 500)]).foreignShare.toFixed(6), '0.450000');
  });
});

test('a process that is busy is foreign, or one of the own', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async (t) => {
  // Its parent ends at once, so that it is below this process no more.
  const code =
    "const { spawn } = require('node:child_process'); const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore', detached: true }); busy.unref(); console.log(busy.pid);";
  const { stdout } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
  const pid = Number(stdout);
  t.after(() => process.kill(pid, 'SIGKILL'));
  const usedMs = () => parseProcessTimes(readFileSync(`/proc/${pid}/stat`, 'utf8')).ownMs;
  const watches = [watchMachine({ roots: () => [pid] }, deps), watchMachine({ roots: () => [] }, deps)];
  for (const { stop } of watches) t.after(stop);
  const beganMs = usedMs();
  while (usedMs() - beganMs < 300) await sleep(systemClock, 20, t.signal);
  const [known, unknown] = watches.map(({ report }) => report());
  assert(known && unknown);
  assert(known.ownShare > unknown.ownShare && known.foreignShare < unknown.foreignShare);
  for (const { ownShare, foreignShare, stealShare, worstShare } of [known, unknown]) {
    assert(ownShare + foreignShare + stealShare <= 1 + 1e-9 && worstShare <= 1 + 1e-9);
  }
});
