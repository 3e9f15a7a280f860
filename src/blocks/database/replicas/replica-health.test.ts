import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random';
import { createPrimaryPast } from '../primary/primary-past.ts';
import { due, failed, isWithin, looked, misfit, type ReplicaHealth, unchecked } from './replica-health.ts';

const random = seededRandom(1);
const at = (lsn: number, term = 1) => ({ term, lsn: BigInt(lsn) });

/** A primary that was at 100 at time 1000, at 200 at 2000, and so on. */
function pastOf(seconds: number) {
  const past = createPrimaryPast(100);
  for (let i = 1; i <= seconds; i++) past.add({ atMs: i * 1000, position: at(i * 100) });
  return past;
}

test('the age of a replica is that of the newest place of the primary that it has come to', () => {
  const past = pastOf(10);
  const context = { past, lagMsMax: 3000, nowMs: 10_500 };
  const near = looked(at(850), context);
  assert(near.kind === 'healthy');
  assert.deepEqual([near.seen.asOfMs, near.seen.lagBytes], [8000, 150]);
  const far = looked(at(650), context);
  assert.deepEqual([far.kind, far.kind === 'lagging' && far.seen.asOfMs], ['lagging', 6000]);
  const ancient = looked(at(50), context);
  assert.deepEqual([ancient.kind, ancient.kind === 'lagging' && ancient.seen.asOfMs], ['lagging', undefined]);
  assert(isWithin(near.seen, 3000, 11_000) && !isWithin(near.seen, 3000, 11_001), 'it ages between looks');
});

test('a primary at rest keeps its replicas fresh, one that is silent does not', () => {
  const past = pastOf(3);
  past.add({ atMs: 60_000, position: at(300) });
  assert.equal(looked(at(300), { past, lagMsMax: 1000, nowMs: 60_500 }).kind, 'healthy');
  assert.equal(looked(at(300), { past, lagMsMax: 1000, nowMs: 61_500 }).kind, 'lagging');
  assert.equal(past.asOfMs(at(250)), 2000);
});

test('one at an earlier term lags, however far its log goes', () => {
  const past = pastOf(3);
  past.add({ atMs: 4000, position: at(350, 2) });
  const context = { past, lagMsMax: 60_000, nowMs: 4000 };
  assert.equal(looked(at(9999, 1), context).kind, 'lagging');
  assert.equal(looked(at(350, 2), context).kind, 'healthy');
});

test('before the primary was heard of nothing is healthy', () => {
  assert.equal(looked(at(1), { past: createPrimaryPast(1), lagMsMax: 1000, nowMs: 0 }).kind, 'lagging');
});

test('each failure puts one away for longer, until a good answer', () => {
  let health: ReplicaHealth = unchecked;
  let nowMs = 0;
  const outMs: number[] = [];
  for (let i = 1; i <= 10; i++) {
    health = failed(health, 'it hangs', nowMs, random);
    assert(health.kind === 'ejected' && health.failures === i);
    outMs.push(health.untilMs - nowMs);
    assert.equal(due(health, health.untilMs - 1), health);
    nowMs = health.untilMs;
    health = due(health, nowMs);
    assert.deepEqual(health, { kind: 'checking', failures: i });
  }
  assert((outMs[0] as number) <= 500 && (outMs[3] as number) > (outMs[0] as number));
  assert(outMs.every((ms) => ms <= 30_000));
  const again = failed(looked(at(1), { past: pastOf(1), lagMsMax: 1, nowMs }), 'gone', nowMs, random);
  assert(again.kind === 'ejected' && again.failures === 1);
});

test('the past that is kept is bounded', () => {
  const past = createPrimaryPast(10);
  for (let i = 1; i <= 1000; i++) past.add({ atMs: i, position: at(i) });
  assert.equal(past.asOfMs(at(990)), undefined);
  assert.equal(past.asOfMs(at(991)), 991);
  assert.equal(past.latest()?.atMs, 1000);
});

test('who belongs to another cluster or is no standby is named so', () => {
  const look = { isStandby: true, cluster: '7', term: 1, lsn: 1n };
  assert.equal(misfit(look, '7'), undefined);
  assert.match(misfit(look, '8') ?? '', /another database cluster/);
  assert.match(misfit({ ...look, isStandby: false }, '7') ?? '', /not a standby/);
});
