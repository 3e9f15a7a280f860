/**
 * Histories for the tests of the checker, and what is true of them by another way: every order of every choice of
 * writes that may not have happened.
 */
import type { Random } from '#base/random';
import type { SessionOperation } from './guarantees.ts';
import type { Action, Operation, Outcome } from './history.ts';

type Line = [action: 'write' | 'read', value: string | undefined, sentMs: number, endedMs: number];

/** An operation, short. */
export function op(
  [kind, value, sentMs, endedMs]: Line,
  { outcome = 'ok', key = 'x' }: { outcome?: Outcome; key?: string } = {},
): Operation {
  return {
    id: 0,
    route: kind,
    key,
    action: { kind, value },
    intendedMs: sentMs,
    sentMs,
    endedMs: outcome === 'unknown' ? undefined : endedMs,
    outcome,
  };
}

/** In order of their sending, and numbered so. */
export function inOrder<T extends Operation>(operations: readonly T[]): T[] {
  return operations.toSorted((a, b) => a.sentMs - b.sentMs).map((operation, id) => ({ ...operation, id }));
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [at, first] of items.entries()) {
    for (const rest of permutations(items.toSpliced(at, 1))) yield [first, ...rest];
  }
}

function* subsets<T>(items: readonly T[]): Generator<T[]> {
  for (let mask = 0; mask < 2 ** items.length; mask++) yield items.filter((_, at) => (mask >> at) & 1);
}

const endOf = ({ outcome, endedMs }: Operation) =>
  outcome === 'ok' ? (endedMs as number) : Number.POSITIVE_INFINITY;

function fitsTimes(order: readonly Operation[]): boolean {
  return order.every((later, at) => order.slice(0, at).every((earlier) => endOf(later) >= earlier.sentMs));
}

function fitsValues(order: readonly Operation[]): boolean {
  let value: string | undefined;
  return order.every(({ action }) => {
    if (action.kind === 'read') return action.value === value;
    value = action.value;
    return true;
  });
}

/** For a few operations of one key. */
export function hasOrder(operations: readonly Operation[]): boolean {
  const settled = operations.filter(({ outcome }) => outcome === 'ok');
  const open = operations.filter(({ outcome, action }) => outcome === 'unknown' && action.kind === 'write');
  for (const happened of subsets(open)) {
    for (const order of permutations([...settled, ...happened])) {
      if (fitsValues(order) && fitsTimes(order)) return true;
    }
  }
  return false;
}

export interface Shape {
  operations: number;
  keys: number;
  /** Callers at the same time; each waits for an answer before it goes on. */
  callers: number;
  readShare: number;
  unknownShare: number;
  /** So many different values are written to a key; few make reads ambiguous. */
  values: number;
  /** How long an operation takes, at most. */
  durationMsMax: number;
}

/**
 * A history that has an order: it is that of one register per key, each operation taking effect at a moment between its
 * request and its answer.
 */
export function makeLinearizable(shape: Shape, random: Random): SessionOperation[] {
  const whole = (below: number) => Math.floor(random.fraction() * below);
  const freeAtMs = Array.from({ length: shape.callers }, () => random.fraction() * shape.durationMsMax);
  const planned = Array.from({ length: shape.operations }, () => {
    const caller = freeAtMs.indexOf(Math.min(...freeAtMs));
    const sentMs = freeAtMs[caller] as number;
    const tookMs = random.fraction() * shape.durationMsMax;
    freeAtMs[caller] = sentMs + tookMs + random.fraction() * shape.durationMsMax * 0.2;
    const isUnknown = random.fraction() < shape.unknownShare;
    // What is not answered may take effect long after, or never.
    const within = isUnknown ? whole(4) : 1;
    return {
      session: caller,
      key: `key-${whole(shape.keys)}`,
      isRead: random.fraction() < shape.readShare,
      value: `value-${whole(shape.values)}`,
      sentMs,
      endedMs: sentMs + tookMs,
      isUnknown,
      effectMs: within === 3 ? Number.POSITIVE_INFINITY : sentMs + tookMs * within * random.fraction(),
    };
  });
  const registers = new Map<string, string>();
  const operations = planned
    .toSorted((a, b) => a.effectMs - b.effectMs)
    .map(({ key, isRead, value, sentMs, endedMs, isUnknown, session }) => {
      const action: Action = isRead ? { kind: 'read', value: registers.get(key) } : { kind: 'write', value };
      if (!isRead) registers.set(key, value);
      const outcome = isUnknown ? 'unknown' : 'ok';
      return { ...op([action.kind, action.value, sentMs, endedMs], { outcome, key }), session };
    });
  return inOrder(operations);
}

/** The same with one operation changed: what a read saw, mostly, or when something happened. */
export function mutate(operations: readonly Operation[], random: Random): Operation[] {
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random.fraction() * items.length)];
  const reads = operations.filter(({ action, outcome }) => action.kind === 'read' && outcome === 'ok');
  const isRead = random.fraction() < 0.8;
  const victim = (isRead ? pick(reads) : undefined) ?? pick(operations);
  const others = operations
    .filter(({ key, action }) => key === victim?.key && action.value !== victim.action.value)
    .map(({ action }) => action.value);
  const shiftMs = (random.fraction() - 0.5) * 20;
  const changed = operations.map((operation): Operation => {
    if (operation !== victim) return operation;
    const { action, sentMs, endedMs } = operation;
    if (isRead) return { ...operation, action: { ...action, value: pick(others) } };
    const movedMs = Math.max(0, sentMs + shiftMs);
    return {
      ...operation,
      sentMs: movedMs,
      endedMs: endedMs === undefined ? undefined : Math.max(movedMs, endedMs + shiftMs),
    };
  });
  return inOrder(changed);
}
