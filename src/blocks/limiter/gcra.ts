/**
 * The generic cell rate algorithm (ITU-T I.371), pure: no clock of its own, no I/O.
 *
 * Each key has one number, the theoretical arrival time (TAT): when its budget will be whole again. Taking one moves it on
 * by the interval in which one comes back, and is allowed while it then lies at most a whole budget ahead of now. It is a
 * token bucket without a timer: `quota` at once, and one more every `windowMs / quota`.
 *
 * Memory is bounded. A key whose budget is whole again needs no entry; such go as others come. When `keysMax` keys have
 * used of their budgets at once, the one that took longest ago gets a whole one. The other choice, to refuse newcomers,
 * would let whoever has many addresses shut out everybody else.
 */
import assert from 'node:assert/strict';

export interface GcraOptions {
  /** So many at once. */
  quota: number;
  /** In which so many come back. */
  windowMs: number;
  keysMax: number;
}

export interface Decision {
  isAllowed: boolean;
  /** Whole ones that are left. */
  remaining: number;
  /** Until one can be taken again; 0 when one can now. */
  retryAfterMs: number;
  /** Until the budget is whole. */
  wholeAfterMs: number;
}

export interface Gcra {
  /** Takes one, if one is left. A refusal takes nothing. */
  take(key: string, nowMs: number): Decision;
  /** What `take` would say. */
  peek(key: string, nowMs: number): Decision;
  /** Gives back one that was taken. */
  giveBack(key: string, nowMs: number): void;
  /** Keys that have an entry. */
  size(): number;
  /** How many got a whole budget for want of memory. */
  forgiven(): number;
}

/** Entries that `take` looks at for such as are whole again: two for each that it may add, so that they go faster than come. */
const SWEPT_PER_TAKE = 2;

/** @param options the times of all calls are on one clock that never steps back */
export function createGcra({ quota, windowMs, keysMax }: GcraOptions): Gcra {
  assert(quota >= 1 && windowMs > 0 && keysMax >= 1, 'a limit allows something, of some key');
  const intervalMs = windowMs / quota;
  /** TAT by key, in the order in which they took last. */
  const arrivals = new Map<string, number>();
  let forgiven = 0;

  function decide(arrivalMs: number, nowMs: number): Decision {
    // In half a millionth of an interval, what additions of fractions leave is no debt.
    const aheadMs = Math.max(0, arrivalMs - nowMs);
    const remaining = Math.floor((windowMs - aheadMs) / intervalMs + 5e-7);
    const isAllowed = remaining >= 1;
    return {
      isAllowed,
      remaining: Math.max(0, remaining),
      retryAfterMs: isAllowed ? 0 : aheadMs - windowMs + intervalMs,
      wholeAfterMs: aheadMs,
    };
  }

  function sweep(nowMs: number): void {
    let looked = 0;
    for (const [key, arrivalMs] of arrivals) {
      if (looked >= SWEPT_PER_TAKE || arrivalMs > nowMs) return;
      arrivals.delete(key);
      looked += 1;
    }
  }

  function makeRoom(): void {
    if (arrivals.size < keysMax) return;
    const oldest = arrivals.keys().next().value;
    if (oldest === undefined) return;
    arrivals.delete(oldest);
    forgiven += 1;
  }

  return {
    take(key, nowMs) {
      sweep(nowMs);
      const arrivalMs = Math.max(arrivals.get(key) ?? 0, nowMs);
      const before = decide(arrivalMs, nowMs);
      if (!before.isAllowed) return before;
      if (!arrivals.delete(key)) makeRoom();
      arrivals.set(key, arrivalMs + intervalMs);
      return { ...decide(arrivalMs + intervalMs, nowMs), isAllowed: true, retryAfterMs: 0 };
    },
    peek: (key, nowMs) => decide(arrivals.get(key) ?? nowMs, nowMs),
    giveBack(key, nowMs) {
      const arrivalMs = arrivals.get(key);
      if (arrivalMs === undefined) return;
      if (arrivalMs - intervalMs <= nowMs) arrivals.delete(key);
      else arrivals.set(key, arrivalMs - intervalMs);
    },
    size: () => arrivals.size,
    forgiven: () => forgiven,
  };
}
