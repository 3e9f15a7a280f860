import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findChain, findSuperfluous, nextSegment, type Target } from './chain.ts';
import { segmentName } from './log-segment.ts';
import type { Manifest } from './manifest.ts';
import type { GoodEntry } from './repository.ts';

const SEGMENT_BYTES = 16 * 1024 * 1024;
const HISTORY = { systemIdentifier: '7', incarnation: 'a', timeline: 1 };

const timeOf = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const lsnIn = (segment: number, byte = 0x100) =>
  `0/${(segment * SEGMENT_BYTES + byte).toString(16).toUpperCase()}`;

interface Described {
  kind: Manifest['kind'];
  segments: [number, number];
  minute: number;
  timeline?: number;
  incarnation?: string;
  /** Where a base begins, when it has log from before. */
  start?: number;
}

function entry({
  kind,
  segments: [first, last],
  minute,
  timeline = 1,
  start = first,
  ...described
}: Described): GoodEntry {
  const name = `${kind}-${minute}`;
  const files = Array.from({ length: last - first + 1 }, (_, n) => ({
    path: `wal/${segmentName(timeline, first + n, SEGMENT_BYTES)}.zst`,
    bytes: 1,
    storedBytes: 1,
    sha256: '',
  }));
  const base = { startLsn: lsnIn(start), stopLsn: lsnIn(last), consistentAt: timeOf(minute + 0.5) };
  const manifest = {
    kind,
    name,
    statedAt: timeOf(minute),
    base: kind === 'physical' ? base : null,
    log:
      kind === 'logical'
        ? null
        : {
            ...HISTORY,
            incarnation: described.incarnation ?? HISTORY.incarnation,
            timeline,
            segmentBytes: SEGMENT_BYTES,
            firstSegment: first,
            lastSegment: last,
            markedLsn: lsnIn(last, 0x80),
          },
    files:
      kind === 'wal' ? files : [...files, { path: 'base.tar.zst', bytes: 1, storedBytes: 1, sha256: '' }],
  } as unknown as Manifest;
  return { name, directory: name, problem: undefined, manifest, mac: null };
}

const at = (minute: number): Target => ({ kind: 'time', at: new Date(timeOf(minute)) });
const LATEST: Target = { kind: 'latest' };
const namesOf = (entries: readonly GoodEntry[], target: Target) =>
  findChain(entries, target).parts.map((part) => part.entry.name);

const base = entry({ kind: 'physical', segments: [2, 3], minute: 10 });
const wal20 = entry({ kind: 'wal', segments: [4, 4], minute: 20 });
const wal30 = entry({ kind: 'wal', segments: [5, 9], minute: 30 });
const later = entry({ kind: 'physical', segments: [10, 12], minute: 40, start: 11 });
const wal50 = entry({ kind: 'wal', segments: [13, 13], minute: 50 });
const all = [base, wal20, wal30, later, wal50];

test('the latest point is the newest base and all log behind it', () => {
  assert.deepEqual(namesOf(all, LATEST), ['physical-40', 'wal-50']);
  assert.deepEqual(namesOf([base], LATEST), ['physical-10']);
  assert.equal(findChain(all, LATEST).statedAt, timeOf(50));
});

test('a time takes the newest base before it, and log up to the first mark behind it', () => {
  assert.deepEqual(namesOf(all, at(15)), ['physical-10', 'wal-20']);
  assert.deepEqual(namesOf(all, at(25)), ['physical-10', 'wal-20', 'wal-30']);
  assert.deepEqual(namesOf(all, at(35)), ['physical-10', 'wal-20', 'wal-30', 'physical-40']);
  assert.deepEqual(namesOf(all, at(45)), ['physical-40', 'wal-50']);
  const across = findChain(all, at(35)).parts.at(-1);
  assert.deepEqual(
    across?.files.map(({ path }) => path),
    [10, 11, 12].map((n) => `wal/${segmentName(1, n, SEGMENT_BYTES)}.zst`),
  );
});

test('journals come from the last backup before the time', () => {
  assert.equal(findChain(all, at(25)).journals.name, 'wal-20');
  assert.equal(findChain(all, LATEST).journals.name, 'wal-50');
});

test('a point that cannot be reached is refused, with those that can', () => {
  assert.throws(() => findChain(all, at(5)), { code: 'backup_point_unreachable' });
  assert.throws(() => findChain(all, at(51)), { code: 'backup_point_unreachable' });
  const holed = [base, wal30];
  assert.throws(() => findChain(holed, at(25)), {
    code: 'backup_point_unreachable',
    message: /the end of physical-10/,
  });
  assert.throws(() => findChain([wal20], LATEST), { code: 'backup_missing' });
});

test('an LSN takes what has something behind it', () => {
  const target: Target = { kind: 'lsn', lsn: lsnIn(5) };
  assert.deepEqual(namesOf(all, target), ['physical-10', 'wal-20', 'wal-30']);
  assert.throws(() => findChain(all, { kind: 'lsn', lsn: lsnIn(2) }), { code: 'backup_point_unreachable' });
});

test('log of another timeline does not count', () => {
  const other = entry({ kind: 'wal', segments: [4, 4], minute: 25, timeline: 2 });
  assert.deepEqual(namesOf([base, other], LATEST), ['physical-10']);
  assert.equal(nextSegment([base, other], HISTORY), 4);
  assert.equal(nextSegment([base, other], { ...HISTORY, timeline: 2 }), undefined);
  assert.equal(nextSegment(all, HISTORY), 14);
});

test('log of another copy of the same installation does not count, though all else is the same', () => {
  const other = entry({ kind: 'wal', segments: [4, 4], minute: 25, incarnation: 'b' });
  assert.deepEqual(namesOf([base, other], LATEST), ['physical-10']);
  assert.equal(nextSegment([base, other], { ...HISTORY, incarnation: 'b' }), undefined);
});

test('the newest whole backups are kept, with the log that they need', () => {
  assert.deepEqual(findSuperfluous(all, 1), ['physical-10', 'wal-20', 'wal-30']);
  assert.deepEqual(findSuperfluous(all, 2), []);
  const early = entry({ kind: 'wal', segments: [1, 1], minute: 5 });
  assert.deepEqual(findSuperfluous([early, base, wal20], 1), ['wal-5']);
  const logical = [1, 2, 3].map((minute) => entry({ kind: 'logical', segments: [0, 0], minute }));
  assert.deepEqual(findSuperfluous(logical, 2), ['logical-1']);
});
