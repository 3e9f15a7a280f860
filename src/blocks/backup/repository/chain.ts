/**
 * Which backups make up a state: a base, and the log from there to the point that is wanted. Pure.
 */
import { backupErrors } from '../errors.ts';
import { lsnToBytes, segmentName, segmentOf } from './log-segment.ts';
import type { Base, HeldLog, Manifest } from './manifest.ts';
import type { GoodEntry } from './repository.ts';
import type { StoredFile } from './stored-file.ts';

/** Where a restore is to stop: at a time, at a position of the log, or as late as can be. */
export type Target = { kind: 'latest' } | { kind: 'time'; at: Date } | { kind: 'lsn'; lsn: string };

/** A manifest that holds log. */
type WithLog = Manifest & { log: HeldLog };
type WithBase = WithLog & { base: Base };

export interface ChainPart {
  entry: GoodEntry;
  files: StoredFile[];
}

export interface Chain {
  base: GoodEntry & { manifest: WithBase };
  /** The files needed of each backup, that of the base first. */
  parts: ChainPart[];
  /** The last backup of which anything but the mark at its end is needed: its journals come back. */
  journals: GoodEntry;
  /** All before this time comes back, unless an earlier point is asked for. */
  statedAt: string;
}

type LogEntry = GoodEntry & { manifest: WithLog };

const hasLog = (entry: GoodEntry): entry is LogEntry => entry.manifest.log !== null;
const hasBase = (entry: GoodEntry): entry is Chain['base'] => hasLog(entry) && entry.manifest.base !== null;

function isOfOneHistory(a: HeldLog, b: HeldLog): boolean {
  return (
    a.systemIdentifier === b.systemIdentifier && a.incarnation === b.incarnation && a.timeline === b.timeline
  );
}

/** Backups of the history of `base` that hold log from its start on without a hole, in the order of the log. */
function joined(base: Chain['base'], entries: readonly GoodEntry[]): LogEntry[] {
  const { log } = base.manifest;
  const others = entries
    .filter(hasLog)
    .filter((each) => isOfOneHistory(each.manifest.log, log) && each.name !== base.name)
    .filter((each) => each.manifest.log.lastSegment > log.lastSegment)
    .toSorted((a, b) => a.manifest.log.lastSegment - b.manifest.log.lastSegment);
  const found: LogEntry[] = [base];
  let last = log.lastSegment;
  for (const each of others) {
    if (each.manifest.log.firstSegment > last + 1) break;
    found.push(each);
    last = each.manifest.log.lastSegment;
  }
  return found;
}

function reaches({ manifest }: LogEntry, target: Target): boolean {
  if (target.kind === 'latest') return false;
  if (target.kind === 'time') return Date.parse(manifest.statedAt) >= target.at.getTime();
  return lsnToBytes(manifest.log.markedLsn) >= lsnToBytes(target.lsn);
}

function isAtOrAfter(base: Chain['base'], target: Target): boolean {
  const { base: own } = base.manifest;
  if (target.kind === 'latest') return true;
  if (target.kind === 'time') return Date.parse(own.consistentAt) <= target.at.getTime();
  return lsnToBytes(own.stopLsn) <= lsnToBytes(target.lsn);
}

function logFiles(entry: LogEntry, fromSegment: number): StoredFile[] {
  const { timeline, segmentBytes } = entry.manifest.log;
  const from = segmentName(timeline, fromSegment, segmentBytes);
  return entry.manifest.files.filter(({ path }) => path.startsWith('wal/') && path.slice(4, 28) >= from);
}

function makeChain(base: Chain['base'], entries: readonly LogEntry[], target: Target): Chain {
  const end =
    target.kind === 'latest' ? entries.length : entries.findIndex((each) => reaches(each, target)) + 1;
  const needed = entries.slice(0, end);
  const last = needed.at(-1) ?? base;
  const isBefore = (each: LogEntry) =>
    target.kind !== 'time' || Date.parse(each.manifest.statedAt) <= target.at.getTime();
  const journals = target.kind === 'lsn' ? needed.at(-2) : needed.findLast(isBefore);
  const { log, base: own } = base.manifest;
  const others = base.manifest.files.filter(({ path }) => !path.startsWith('wal/'));
  let next = segmentOf(own.startLsn, log.segmentBytes);
  const parts = needed.map((entry, at): ChainPart => {
    const files = [...(at === 0 ? others : []), ...logFiles(entry, next)];
    next = entry.manifest.log.lastSegment + 1;
    return { entry, files };
  });
  return { base, parts, journals: journals ?? base, statedAt: last.manifest.statedAt };
}

function describe(target: Target): string {
  if (target.kind === 'latest') return 'the end';
  return target.kind === 'time' ? target.at.toISOString() : target.lsn;
}

function refuse(entries: readonly GoodEntry[], target: Target): never {
  const bases = entries.filter(hasBase);
  const spans = bases.map((base) => {
    const last = joined(base, entries).at(-1)?.manifest ?? base.manifest;
    if (last.name === base.name) return `the end of ${base.name}, stated as ${last.statedAt}`;
    return target.kind === 'lsn'
      ? `${base.manifest.base.stopLsn} to ${last.log?.markedLsn}`
      : `${base.manifest.base.consistentAt} to ${last.statedAt}`;
  });
  if (bases.length === 0) throw backupErrors.backup_missing({ detail: 'there is no good physical backup' });
  throw backupErrors.backup_point_unreachable({
    detail: `${describe(target)} cannot be restored; what can: ${spans.join('; ')}`,
  });
}

/**
 * The newest base from which `target` can be reached, and what leads there.
 * @param entries of one directory, oldest first
 * @throws backup_missing, backup_point_unreachable
 */
export function findChain(entries: readonly GoodEntry[], target: Target): Chain {
  for (const base of entries.filter(hasBase).toReversed()) {
    if (!isAtOrAfter(base, target)) continue;
    const whole = joined(base, entries);
    if (target.kind !== 'latest' && !whole.some((each) => reaches(each, target))) continue;
    return makeChain(base, whole, target);
  }
  return refuse(entries, target);
}

/** The segment that the next copy of the log begins with; undefined when there is no base to join it to. */
export function nextSegment(
  entries: readonly GoodEntry[],
  history: Pick<HeldLog, 'systemIdentifier' | 'incarnation' | 'timeline'>,
): number | undefined {
  const ends = entries
    .filter(hasBase)
    .filter(({ manifest }) => isOfOneHistory(manifest.log, { ...manifest.log, ...history }))
    .flatMap((base) => joined(base, entries).map((each) => each.manifest.log.lastSegment));
  return ends.length === 0 ? undefined : Math.max(...ends) + 1;
}

/**
 * The names of what need not be kept: whole backups older than the `keep` newest ones, and log that no remaining base leads
 * to. Damaged backups count for nothing and are left to people.
 */
export function findSuperfluous(entries: readonly GoodEntry[], keep: number): string[] {
  const whole = entries.filter(({ manifest }) => manifest.kind !== 'wal');
  const kept = new Set(whole.slice(-keep));
  const oldest = whole.filter((each) => kept.has(each));
  const isNeeded = (entry: LogEntry) =>
    oldest.filter(hasBase).some(({ manifest: { log } }) => {
      const own = entry.manifest.log;
      return isOfOneHistory(own, log) && own.lastSegment >= log.firstSegment;
    });
  return entries
    .filter(
      (entry) => !kept.has(entry) && (entry.manifest.kind !== 'wal' || !hasLog(entry) || !isNeeded(entry)),
    )
    .map(({ name }) => name);
}
