/**
 * What a history must show even where reads may be old: that a caller sees its own writes and never goes back (Terry et
 * al., Session Guarantees for Weakly Consistent Replicated Data, 1994), and that nothing created vanishes.
 *
 * Told is only what is certain: a value counts as older than another when every write that may have brought it had ended
 * before any write of the other was sent. So equal values and writes at the same time excuse a read, and nothing else does.
 */
import { formatWhole } from '#base/values/numbers';
import type { Check } from '../report/result.ts';
import type { History, Operation } from './history.ts';
import { describeOperation } from './linearizability.ts';

/** An operation of one of the sessions, each of which is promised to see its own. */
export interface SessionOperation extends Operation {
  session: number;
}

interface SessionHistory {
  operations: readonly SessionOperation[];
}

/** A read, and an earlier operation that it contradicts. */
export interface Contradiction {
  earlier: Operation;
  read: Operation;
}

const SHOWN_MAX = 3;

/** When a value may have been brought, over all writes of it. */
interface Writing {
  firstSentMs: number;
  lastEndedMs: number;
}

type Writings = ReadonlyMap<string, ReadonlyMap<string | undefined, Writing>>;

/** By key and value. Nothing is what every key holds before the first write. */
function collectWritings(operations: readonly Operation[]): Writings {
  const byKey = new Map<string, Map<string | undefined, Writing>>();
  for (const { key, action, outcome, sentMs, endedMs } of operations) {
    const ofKey =
      byKey.get(key) ??
      new Map([
        [undefined, { firstSentMs: Number.NEGATIVE_INFINITY, lastEndedMs: Number.NEGATIVE_INFINITY }],
      ]);
    byKey.set(key, ofKey);
    if (action.kind === 'read' || outcome === 'refused') continue;
    const untilMs = outcome === 'ok' && endedMs !== undefined ? endedMs : Number.POSITIVE_INFINITY;
    const known = ofKey.get(action.value) ?? { firstSentMs: sentMs, lastEndedMs: untilMs };
    ofKey.set(action.value, {
      firstSentMs: Math.min(known.firstSentMs, sentMs),
      lastEndedMs: Math.max(known.lastEndedMs, untilMs),
    });
  }
  return byKey;
}

/** Whether `older` had been overwritten for good before `newer` was there. What nobody wrote is older than all. */
function isOlder(writings: Writings, key: string, older: string | undefined, newerSentMs: number): boolean {
  const writing = writings.get(key)?.get(older);
  return writing === undefined || writing.lastEndedMs < newerSentMs;
}

/** What each caller has seen last of a key: an operation, and when its value was there at the earliest. */
interface Seen {
  operation: SessionOperation;
  sinceMs: number;
}

/** @param sinceOf what an operation tells its caller; undefined when it tells nothing that later reads must honour */
function findContradictions(
  { operations }: SessionHistory,
  sinceOf: (operation: SessionOperation, writings: Writings) => number | undefined,
): Contradiction[] {
  const writings = collectWritings(operations);
  const seen = new Map<string, Seen[]>();
  const contradictions: Contradiction[] = [];
  for (const operation of operations.filter(({ outcome }) => outcome === 'ok')) {
    const { key, session, action, sentMs } = operation;
    const place = JSON.stringify([session, key]);
    const before = (seen.get(place) ?? []).filter(
      (each) => (each.operation.endedMs ?? Number.POSITIVE_INFINITY) < sentMs,
    );
    const earlier =
      action.kind === 'read'
        ? before.find(({ sinceMs }) => isOlder(writings, key, action.value, sinceMs))
        : undefined;
    if (earlier) contradictions.push({ earlier: earlier.operation, read: operation });
    const sinceMs = sinceOf(operation, writings);
    if (sinceMs !== undefined) seen.set(place, keepNewest(seen.get(place) ?? [], { operation, sinceMs }));
  }
  return contradictions;
}

/** Of those that have ended before the new one was sent, only the newest says anything. */
function keepNewest(seen: readonly Seen[], added: Seen): Seen[] {
  const { sentMs } = added.operation;
  const ended = seen.filter(({ operation }) => (operation.endedMs as number) < sentMs);
  const newest = ended.reduce<Seen | undefined>(
    (best, each) => (best && best.sinceMs >= each.sinceMs ? best : each),
    undefined,
  );
  const underWay = seen.filter((each) => !ended.includes(each));
  return [...(newest ? [newest] : []), ...underWay, added];
}

/** Reads that show their caller something older than what it had written itself, and been told so. */
export function findUnreadWrites(history: SessionHistory): Contradiction[] {
  return findContradictions(history, ({ action, sentMs }) => (action.kind === 'write' ? sentMs : undefined));
}

/** Reads that show their caller something older than what it had read before. */
export function findStepsBack(history: SessionHistory): Contradiction[] {
  return findContradictions(history, ({ action, key }, writings) =>
    action.kind === 'read' ? writings.get(key)?.get(action.value)?.firstSentMs : undefined,
  );
}

/** Reads that find nothing where something had been acknowledged, and nobody had tried to take it away. */
export function findVanished({ operations }: History): Contradiction[] {
  const created = new Map<string, Operation>();
  const removedFromMs = new Map<string, number>();
  for (const operation of operations) {
    const { key, action, outcome, sentMs } = operation;
    if (action.kind === 'read' || outcome === 'refused') continue;
    if (action.value === undefined) {
      removedFromMs.set(key, Math.min(removedFromMs.get(key) ?? Number.POSITIVE_INFINITY, sentMs));
    } else if (outcome === 'ok') {
      const first = created.get(key);
      if (!first || (operation.endedMs as number) < (first.endedMs as number)) created.set(key, operation);
    }
  }
  return operations.flatMap((read) => {
    const { key, action, outcome, sentMs, endedMs } = read;
    if (action.kind !== 'read' || action.value !== undefined || outcome !== 'ok') return [];
    const earlier = created.get(key);
    const isRemoved = (removedFromMs.get(key) ?? Number.POSITIVE_INFINITY) <= (endedMs as number);
    return earlier && (earlier.endedMs as number) < sentMs && !isRemoved ? [{ earlier, read }] : [];
  });
}

function toCheck(claim: string, reads: number, found: readonly Contradiction[]): Check {
  const shown = found
    .slice(0, SHOWN_MAX)
    .map(
      ({ earlier, read }) =>
        `${JSON.stringify(read.key)}: ${describeOperation(read)}, although before: ${describeOperation(earlier)}`,
    );
  const detail = [
    `${formatWhole(reads)} reads, ${formatWhole(found.length)} of them against it`,
    ...shown,
  ].join('\n');
  return { claim, passed: found.length === 0, detail };
}

function readsOf({ operations }: History): number {
  return operations.filter(({ action, outcome }) => action.kind === 'read' && outcome === 'ok').length;
}

/** Read your writes, and monotonic reads: the checks of a drill whose reads are promised at `session`. */
export function sessionsHold(history: SessionHistory): Check[] {
  const reads = readsOf(history);
  return [
    toCheck('every caller sees what it has written', reads, findUnreadWrites(history)),
    toCheck('no caller is shown something older than before', reads, findStepsBack(history)),
  ];
}

/** Holds even where reads may be stale for as long as they like, if what is read was created before they began. */
export function createdStays(history: History): Check {
  return toCheck('what was created does not vanish', readsOf(history), findVanished(history));
}
