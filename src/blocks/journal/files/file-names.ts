/**
 * Where a journal lies. Under the root, one directory `<name>-<epoch>` per process and start, in it files
 * `<name>-<epoch>.<first sequence>.journal`. The directory's name is the journal's id, also in the database, so it is
 * unique over all machines: an id that came back with fewer records than were shipped under it (a power cut, a restored
 * disk) would have its next records taken for shipped ones.
 */
import assert from 'node:assert/strict';
import type { Runtime } from '#base/runtime';

const NAME = /^[a-z][a-z0-9_]{0,30}$/;
const EPOCH = /^[0-9a-f]{20}$/;
const SUFFIX = '.journal';
const SEQUENCE_DIGITS = 16;

export function assertJournalName(name: string): void {
  assert.match(name, NAME, `not the name of a journal: ${name}`);
}

/** The epoch is 12 hexadecimal digits of time, so that ids sort by age, and 8 of chance. */
export function makeJournalId(name: string, { clock, random }: Pick<Runtime, 'clock' | 'random'>): string {
  const time = Math.floor(clock.nowMs()).toString(16).padStart(12, '0');
  return `${name}-${time}${random.bytes(4).toString('hex')}`;
}

/** Whether `entry` of the root is the directory of a journal of that name. */
export function isJournalOf(name: string, entry: string): boolean {
  return entry.startsWith(`${name}-`) && EPOCH.test(entry.slice(name.length + 1));
}

export function fileNameOf(journalId: string, first: number): string {
  return `${journalId}.${String(first).padStart(SEQUENCE_DIGITS, '0')}${SUFFIX}`;
}

/** The first sequence of the file named `entry`; undefined if that is no file of the journal. */
export function firstSequenceOf(journalId: string, entry: string): number | undefined {
  if (!entry.startsWith(`${journalId}.`) || !entry.endsWith(SUFFIX)) return undefined;
  const digits = entry.slice(journalId.length + 1, -SUFFIX.length);
  return /^\d{16}$/.test(digits) ? Number(digits) : undefined;
}
