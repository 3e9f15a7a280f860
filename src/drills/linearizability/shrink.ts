/**
 * What of a history that has no order is worth a person's time: where it goes wrong, and the few operations that suffice
 * for that.
 */
import type { Operation } from './history.ts';
import { type Budget, searchOrder } from './search.ts';

export interface Smallest {
  /** The operation whose answer is the first that no order explains. */
  culprit: Operation;
  /** How many had been answered before it, which have an order; undefined when to find the first took too long. */
  answeredBefore: number | undefined;
  /** In order of their sending, with the culprit: without any of them, or what belongs to its value, there is an order. */
  operations: Operation[];
}

/** What was known when `answered` had just been answered, of which `until` is the last. Writes under way may take effect. */
function knownAt(operations: readonly Operation[], answered: ReadonlySet<Operation>, untilMs: number) {
  return operations.flatMap((operation): Operation[] => {
    if (answered.has(operation)) return [operation];
    const isUnderWay = operation.outcome !== 'refused' && operation.sentMs <= untilMs;
    return isUnderWay && operation.action.kind === 'write'
      ? [{ ...operation, outcome: 'unknown', endedMs: undefined }]
      : [];
  });
}

/** The first answer that no order explains. @param operations that have none */
function findCulprit(operations: readonly Operation[], budget: Budget) {
  const answers = operations
    .filter(({ outcome }) => outcome === 'ok')
    .toSorted((a, b) => (a.endedMs as number) - (b.endedMs as number));
  const known = (count: number) => {
    const last = answers[count - 1] as Operation;
    return knownAt(operations, new Set(answers.slice(0, count)), last.endedMs as number);
  };
  // What begins a history that has an order has one: so the first count without one can be found by halves.
  let [none, found] = [answers.length, 0];
  let isDecided = true;
  while (isDecided && none - found > 1) {
    const middle = Math.floor((none + found) / 2);
    const search = searchOrder(known(middle), budget);
    if (search === 'none') none = middle;
    else found = middle;
    isDecided = search === 'none' || search === 'found';
  }
  const answeredBefore = isDecided ? none - 1 : undefined;
  return { culprit: answers[none - 1] as Operation, answeredBefore, operations: known(none) };
}

/** Leaves out what it can, many at a time at first, as long as what is left `fails`. */
function leaveOut<T>(items: readonly T[], fails: (kept: readonly T[]) => boolean): readonly T[] {
  let kept = items;
  for (let size = Math.ceil(items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < kept.length; ) {
      const without = kept.toSpliced(from, size);
      if (fails(without)) kept = without;
      else from += size;
    }
  }
  return kept;
}

/**
 * A history with an order keeps it when it loses reads, or a value with all its writes and reads. So one that still has
 * none without them has none because of the others.
 */
function leaveOutOthers(operations: readonly Operation[], budget: Budget): readonly Operation[] {
  const fails = (kept: readonly Operation[]) => searchOrder(kept, budget) === 'none';
  const byValue = Map.groupBy(operations, ({ action }) => action.value);
  const groups = leaveOut([...byValue.values()], (kept) => fails(kept.flat())).flat();
  const writes = groups.filter(({ action }) => action.kind === 'write');
  const reads = groups.filter(({ action }) => action.kind === 'read');
  return [...writes, ...leaveOut(reads, (kept) => fails([...writes, ...kept]))];
}

/** @param operations of one key, which have no order; when the budget runs out, more of them are left */
export function shrink(operations: readonly Operation[], budget: Budget): Smallest {
  const { culprit, answeredBefore, operations: known } = findCulprit(operations, budget);
  const kept = new Set(leaveOutOthers(known, budget).map(({ id }) => id));
  return {
    culprit,
    answeredBefore,
    operations: operations.filter(({ id }) => kept.has(id)).toSorted((a, b) => a.sentMs - b.sentMs),
  };
}
