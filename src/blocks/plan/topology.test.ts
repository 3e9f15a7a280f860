import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { demandsOf } from './demand.ts';
import { type Circumstances, isPassed, limitsOf, type Topology } from './limits.ts';
import { anyWorkload, calibration, models, workloadOf } from './plan.fixture.ts';
import { planFor } from './plan.ts';
import { rankOf, STEPS, simplestTopology, stepsOf, whyNone, without } from './topology.ts';
import type { Workload } from './workload.ts';

function circumstancesOf(workload: Workload): Circumstances {
  return { workload, loads: demandsOf(workload, models).map(({ load }) => load), calibration };
}

function withUsers(workload: Workload, times: number): Workload {
  return { ...workload, users: { ...workload.users, daily: workload.users.daily * times } };
}

/** Infinite where none holds: more than any. */
function compare(a: Topology | undefined, b: Topology | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const [left, right] = [rankOf(a), rankOf(b)];
  const at = left.findIndex((value, index) => value !== right[index]);
  return at === -1 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

test('more users never give a lesser topology', () => {
  fc.assert(
    fc.property(anyWorkload, fc.constantFrom(1.1, 2, 7, 50), (workload, times) => {
      const few = simplestTopology(circumstancesOf(workload));
      const many = simplestTopology(circumstancesOf(withUsers(workload, times)));
      assert(compare(few, many) <= 0, `${JSON.stringify(few)} for fewer than ${JSON.stringify(many)}`);
    }),
  );
});

test('a topology passes no limit, and a step less passes one', () => {
  fc.assert(
    fc.property(anyWorkload, (workload) => {
      const circumstances = circumstancesOf(workload);
      const topology = simplestTopology(circumstances);
      if (topology === undefined) {
        assert(whyNone(circumstances).length > 0);
        return;
      }
      assert.deepEqual(limitsOf(circumstances, topology).filter(isPassed), []);
      for (const step of STEPS) {
        const lesser = without(topology, step);
        if (lesser === undefined) continue;
        const several = topology.shards > 1 || topology.isFederated || topology.replicas > 0;
        if (step === 'servers' && lesser.servers === 0 && several) continue;
        assert(limitsOf(circumstances, lesser).some(isPassed), `${step} is not needed`);
      }
      const steps = stepsOf(circumstances, topology);
      for (const { reason } of steps) assert.match(reason, /: |several/);
    }),
  );
});

test('each step comes when the one before it no longer holds', () => {
  const small = { users: { daily: 1000 }, availability: { targetPercent: 99 } };
  const stepNames = (raw: unknown) => {
    const circumstances = circumstancesOf(workloadOf(raw));
    const topology = simplestTopology(circumstances);
    return topology && stepsOf(circumstances, topology).map(({ name }) => name);
  };
  const read = { perUserPerDay: 1, cacheHitPercent: 0, consistency: 'session' };
  assert.deepEqual(stepNames({ ...small, custom: { posts: { read } } }), []);
  assert.deepEqual(stepNames({ users: small.users, custom: { posts: { read } } }), ['standby']);
  const users = { daily: 100_000_000 };
  assert.deepEqual(stepNames({ ...small, users, custom: { posts: { read } } }), ['processes']);
  const reads = (perUserPerDay: number, cacheHitPercent: number) => ({
    ...small,
    users,
    custom: { posts: { read: { ...read, perUserPerDay, cacheHitPercent } } },
  });
  assert.deepEqual(stepNames(reads(3, 0)), ['servers']);
  assert.deepEqual(stepNames(reads(5, 90)), ['servers', 'cache']);
  assert.deepEqual(stepNames(reads(5, 0)), ['servers', 'replicas']);
  const write = { perUserPerDay: 0.25, rowBytes: 10 };
  const machine = { diskBytes: '100 TB' };
  const busy = { ...small, machine, users };
  assert.deepEqual(stepNames({ ...busy, custom: { posts: { write }, orders: { write } } }), [
    'servers',
    'federation',
  ]);
  assert.deepEqual(stepNames({ ...busy, custom: { posts: { write: { ...write, perUserPerDay: 0.5 } } } }), [
    'servers',
    'shards',
  ]);
});

test('a latency that misses are too slow for needs a cache, or cannot be had', () => {
  const raw = (targetMeanMs: number) => ({
    users: { daily: 1000 },
    latency: { targetMeanMs },
    custom: { posts: { read: { perUserPerDay: 5, cacheHitPercent: 90 } } },
  });
  const plan = (targetMeanMs: number) => planFor(workloadOf(raw(targetMeanMs)), { calibration, models });
  assert.equal(plan(10).topology?.hasCache, false);
  assert.equal(plan(2).topology?.hasCache, true);
  assert.match(plan(2).steps.at(-1)?.reason ?? '', /reads take 10 ms on average; wanted are 2 ms/);
  assert.equal(plan(1).topology, undefined);
  assert.match(plan(1).unmet.join(), /reads take 1\.225 ms on average; wanted are 1 ms/);
});

test('a standby is on a machine of its own, and takes nothing of the disk of its primary', () => {
  const diskOf = (standbys: number, servers: number) => {
    const raw = { users: { daily: 1000 }, custom: { posts: { write: { perUserPerDay: 1 } } } };
    const databases = { shards: 1, isFederated: false, replicas: 0, hasCache: false };
    const limits = limitsOf(circumstancesOf(workloadOf(raw)), {
      ...databases,
      standbys,
      servers,
      processes: 1,
    });
    return limits.find(({ name }) => name === 'disk')?.used ?? 0;
  };
  assert.equal(diskOf(1, 0), diskOf(0, 0));
  assert.equal(diskOf(1, 1), diskOf(0, 0));
});
