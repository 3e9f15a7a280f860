import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { createManualClock, type ManualClock } from '#base/clock';
import { createHoldAges, type HoldAges } from './hold-ages.ts';
import { makeHolder, type SessionHolder } from './holder.fixture.ts';

describe('ages of holds', () => {
  let clock: ManualClock;
  let ages: HoldAges;
  beforeEach(() => {
    clock = createManualClock();
    ages = createHoldAges(clock);
  });

  function ageOf(given: Partial<SessionHolder>): number | undefined {
    return ages.correct([makeHolder(given)])[0]?.ageMs;
  }

  test('what Postgres tells stands at the first look', () => {
    assert.equal(ageOf({ ageMs: 90_000 }), 90_000);
    clock.advance(5000);
    assert.equal(ageOf({ ageMs: 95_000 }), 95_000);
  });

  test('a long transaction that has taken a new snapshot has held since the last look at most', () => {
    ageOf({ xid: '700', ageMs: 90_000 });
    clock.advance(5000);
    assert.equal(ageOf({ xid: '701', ageMs: 95_000 }), 5000);
    clock.advance(5000);
    assert.equal(ageOf({ xid: '701', ageMs: 100_000 }), 10_000);
  });

  test('a new transaction of the same session is as old as it is', () => {
    ageOf({ ageMs: 90_000 });
    clock.advance(5000);
    assert.equal(ageOf({ ageMs: 100 }), 100);
  });

  test('a transaction that wrote before is as old as it is, though an older snapshot hid its id', () => {
    ageOf({ xid: '700', ageMs: 90_000, isWriting: true });
    clock.advance(5000);
    assert.equal(ageOf({ xid: '705', ageMs: 95_000, isWriting: true }), 95_000);
  });

  test('what Postgres tells nothing of is as old as it has been seen', () => {
    const hidden = { ageMs: undefined, isVisible: false };
    assert.equal(ageOf(hidden), 0);
    clock.advance(5000);
    assert.equal(ageOf(hidden), 5000);
    clock.advance(5000);
    assert.equal(ageOf({ ...hidden, xid: '800' }), 5000);
  });

  test('a hidden session is not taken for old while nothing is written', () => {
    const hidden = { ageMs: undefined, ageTransactions: 0 };
    ageOf(hidden);
    clock.advance(5000);
    assert.equal(ageOf(hidden), 0);
    clock.advance(5000);
    assert.equal(ageOf({ ...hidden, ageTransactions: 1 }), 5000);
  });

  test('who was away for a look is forgotten', () => {
    ageOf({ ageMs: undefined });
    clock.advance(5000);
    ages.correct([]);
    clock.advance(5000);
    assert.equal(ageOf({ ageMs: undefined }), 0);
  });
});
