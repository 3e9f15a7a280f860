import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAnnouncements } from './announcements.ts';

const SPACING = { repeatMsMin: 60, repeatMsMax: 400 };

test('it begins, lasts at growing spaces, and ends', () => {
  const announcements = createAnnouncements(SPACING);
  assert.equal(announcements.next(undefined, 0), undefined);
  const said: [number, string][] = [];
  for (let nowMs = 100; nowMs <= 1700; nowMs += 10) {
    const next = announcements.next('a', nowMs);
    if (next) said.push([nowMs - 100, next.kind]);
  }
  assert.deepEqual(said, [
    [0, 'begins'],
    [60, 'lasts'],
    [180, 'lasts'],
    [420, 'lasts'],
    [820, 'lasts'],
    [1220, 'lasts'],
  ]);
  assert.deepEqual(announcements.next(undefined, 1710), { kind: 'ends', heldMs: 1610 });
  assert.equal(announcements.next(undefined, 1720), undefined);
  assert.deepEqual(announcements.next('a', 1730), { kind: 'begins' });
});

test('another owner is told as soon as the shortest space allows, and the spaces start anew', () => {
  const announcements = createAnnouncements(SPACING);
  announcements.next('a', 0);
  announcements.next('a', 60);
  assert.equal(announcements.next('b', 100), undefined);
  assert.deepEqual(announcements.next('b', 120), { kind: 'lasts', heldMs: 120 });
  assert.equal(announcements.next('b', 179), undefined);
  assert.deepEqual(announcements.next('b', 180), { kind: 'lasts', heldMs: 180 });
});

test('while it lasts, two lines are never closer than the shortest space, and what begins ends once', () => {
  const looks = fc.array(fc.record({ owner: fc.constantFrom(undefined, 'a', 'b'), stepMs: fc.nat(100) }));
  fc.assert(
    fc.property(looks, (history) => {
      const announcements = createAnnouncements(SPACING);
      let nowMs = 0;
      let saidMs: number | undefined;
      for (const { owner, stepMs } of history) {
        nowMs += stepMs;
        const said = announcements.next(owner, nowMs);
        assert.equal(said?.kind === 'begins', owner !== undefined && saidMs === undefined);
        assert.equal(said?.kind === 'ends', owner === undefined && saidMs !== undefined);
        if (said?.kind === 'lasts') assert(nowMs - (saidMs ?? nowMs) >= SPACING.repeatMsMin);
        if (said) saidMs = said.kind === 'ends' ? undefined : nowMs;
      }
    }),
  );
});
