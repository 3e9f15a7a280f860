/**
 * What the search for an order works on: which operations of one key are yet to be placed, and what the register holds
 * after those that are. Every step forward is undone exactly, so that the search can turn back.
 *
 * Only what may differ is left to the search; the rest is settled at once, because it can do no harm:
 * - A read of what the register holds changes nothing, so it is placed as soon as it may be.
 * - A write whose value no read is left to see can be placed right before any other write, or after all.
 * - A write of unknown outcome may as well never have been, except right before a read that sees its value.
 * - While reads of a value are left, and no write that would bring it again, no other write can be placed.
 */
import assert from 'node:assert/strict';
import type { Operation } from './history.ts';

/** A way to go on: place this write, or with `FORGET` all those whose values nobody sees. */
export type Choice = Write | typeof FORGET;
interface Write {
  /** A place in `settled`; undefined for a write of unknown outcome. */
  at: number | undefined;
  value: number;
}
const FORGET = 'forget';

/** To where a step is undone. */
export interface Point {
  placed: number;
  value: number;
  last: number;
}

export interface Register {
  /** Places what can do no harm. */
  settle(): void;
  isComplete(): boolean;
  /** The ways to go on from here; none at a dead end. */
  choices(): Choice[];
  take(choice: Choice): void;
  point(): Point;
  undo(to: Point): void;
  /** Which operations are placed and what the register holds: equal texts mean equal futures, and only they. */
  describe(): string;
}

/** A value that no read is left to see: all such are the same. */
const UNSEEN = 0;
/** The value of a register before the first write: nothing. */
const NOTHING = 1;

function createNumbers(): (value: string | undefined) => number {
  const numbers = new Map<string | undefined, number>([[undefined, NOTHING]]);
  return (value) => {
    const number = numbers.get(value) ?? numbers.size + NOTHING;
    numbers.set(value, number);
    return number;
  };
}

interface Settled {
  sentMs: number;
  endedMs: number;
  isWrite: boolean;
  value: number;
}

/** The operations in order of their sending, apart: those that took effect, and by value when the open writes were sent. */
function sortOut(operations: readonly Operation[]) {
  const numberOf = createNumbers();
  const settled: Settled[] = [];
  const open = new Map<number, number[]>();
  for (const { action, outcome, sentMs, endedMs } of operations.toSorted((a, b) => a.sentMs - b.sentMs)) {
    const [value, isWrite] = [numberOf(action.value), action.kind === 'write'];
    if (outcome === 'ok') {
      assert(endedMs !== undefined && endedMs >= sentMs, 'what was acknowledged ended after it was sent');
      settled.push({ sentMs, endedMs, isWrite, value });
    } else if (outcome === 'unknown' && isWrite) {
      open.set(value, [...(open.get(value) ?? []), sentMs]);
    }
  }
  return { settled, open };
}

/** @param operations of one key, in any order; the register holds nothing before them */
export function createRegister(operations: readonly Operation[]): Register {
  const { settled, open } = sortOut(operations);
  const end = settled.length;
  // Those not yet placed, as a ring in order of their sending that begins and ends at `end`.
  const next = Int32Array.from({ length: end + 1 }, (_, at) => (at === end ? 0 : at + 1));
  const previous = Int32Array.from({ length: end + 1 }, (_, at) => (at === 0 ? end : at - 1));
  const readsLeft = new Map<number, number>();
  const writesLeft = new Map<number, number>();
  const openPlaced = new Map<number, number>();
  const placed: Write[] = [];
  let holds = NOTHING;
  /** The last place in `settled` that is placed. */
  let last = -1;

  const left = (counts: Map<number, number>, value: number) => counts.get(value) ?? 0;
  const add = (counts: Map<number, number>, value: number, by: 1 | -1) =>
    counts.set(value, left(counts, value) + by);
  for (const { isWrite, value } of settled) add(isWrite ? writesLeft : readsLeft, value, 1);
  for (const [value, sent] of open) writesLeft.set(value, left(writesLeft, value) + sent.length);

  /**
   * Those that may be placed now, since none that is left had ended before they were sent. `visit` may place them.
   * @returns the time before which a write has to be sent to be among them
   */
  function visitNext(visit: (operation: Settled, at: number) => void): number {
    let untilMs = Number.POSITIVE_INFINITY;
    for (let at = next[end] as number; at !== end; ) {
      const operation = settled[at] as Settled;
      if (operation.sentMs > untilMs) break;
      const after = next[at] as number;
      const count = placed.length;
      visit(operation, at);
      if (placed.length === count) untilMs = Math.min(untilMs, operation.endedMs);
      at = after;
    }
    return untilMs;
  }

  function place(at: number | undefined, value: number): void {
    placed.push({ at, value });
    if (at === undefined) {
      add(openPlaced, value, 1);
      add(writesLeft, value, -1);
      return;
    }
    const [before, after] = [previous[at] as number, next[at] as number];
    next[before] = after;
    previous[after] = before;
    add(settled[at]?.isWrite ? writesLeft : readsLeft, value, -1);
    last = Math.max(last, at);
  }

  function putBack({ at, value }: Write): void {
    if (at === undefined) {
      add(openPlaced, value, -1);
      add(writesLeft, value, 1);
      return;
    }
    next[previous[at] as number] = at;
    previous[next[at] as number] = at;
    add(settled[at]?.isWrite ? writesLeft : readsLeft, value, 1);
  }

  function forget(): void {
    visitNext(({ isWrite, value }, at) => {
      if (isWrite && left(readsLeft, value) === 0) place(at, value);
    });
    holds = UNSEEN;
  }

  return {
    settle() {
      visitNext(({ isWrite, value }, at) => {
        if (!isWrite && value === holds) place(at, value);
      });
      if (left(readsLeft, holds) === 0) forget();
    },
    isComplete: () => next[end] === end,
    choices() {
      if (left(readsLeft, holds) > 0 && left(writesLeft, holds) === 0) return [];
      const choices: Choice[] = [];
      const wanted = new Set<number>();
      let hasUnseen = false;
      const untilMs = visitNext(({ isWrite, value }, at) => {
        if (!isWrite) wanted.add(value);
        else if (left(readsLeft, value) > 0) choices.push({ at, value });
        else hasUnseen = true;
      });
      for (const value of wanted) {
        const sentMs = open.get(value)?.[left(openPlaced, value)];
        if (sentMs !== undefined && sentMs <= untilMs) choices.push({ at: undefined, value });
      }
      return hasUnseen ? [...choices, FORGET] : choices;
    },
    take(choice) {
      forget();
      if (choice === FORGET) return;
      place(choice.at, choice.value);
      holds = choice.value;
    },
    point: () => ({ placed: placed.length, value: holds, last }),
    undo(to) {
      while (placed.length > to.placed) putBack(placed.pop() as Write);
      holds = to.value;
      last = to.last;
    },
    describe() {
      let text = `${holds} ${last}`;
      for (let at = next[end] as number; at < last; at = next[at] as number) text += ` ${at}`;
      for (const [value, count] of openPlaced) if (count > 0) text += ` ${value}*${count}`;
      return text;
    },
  };
}
