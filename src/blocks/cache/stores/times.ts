/**
 * The times of entries, by slot: 24 bytes each. What lies between the moment of the fill and another is kept with 24 bits, and
 * never rounded up, so that nothing lives longer than it was allowed to.
 */
import { grownFloat64 } from '../policies/policy.ts';
import type { Entry } from '../store.ts';

export interface Times {
  set(
    slot: number,
    nowMs: number,
    entry: Pick<Entry<unknown>, 'refreshAfterMs' | 'freshForMs' | 'keepForMs'>,
  ): void;
  /** Whether a hit needs nothing but to be answered. */
  isPlain(slot: number, nowMs: number): boolean;
  filledMs(slot: number): number;
  refreshMs(slot: number): number;
  freshUntilMs(slot: number): number;
  keepUntilMs(slot: number): number;
  /** From now on none is plain. */
  distrust(): void;
  grow(slots: number): void;
}

/** The largest number of 24 bits that is not above. */
function notAbove(ms: number): number {
  const rounded = Math.fround(ms);
  return rounded > ms ? Math.fround(ms - ms * 2 ** -23) : rounded;
}

function grownFloat32(array: Float32Array, length: number): Float32Array<ArrayBuffer> {
  const grown = new Float32Array(length);
  grown.set(array);
  return grown;
}

/** @returns room for none until it grows */
export function createTimes(): Times {
  let refresh = new Float64Array(0);
  let filled = new Float64Array(0);
  let freshFor = new Float32Array(0);
  let keepFor = new Float32Array(0);
  return {
    set(slot, nowMs, { refreshAfterMs, freshForMs, keepForMs }) {
      filled[slot] = nowMs;
      refresh[slot] = nowMs + Math.min(refreshAfterMs, freshForMs, keepForMs);
      freshFor[slot] = notAbove(freshForMs);
      keepFor[slot] = notAbove(Math.max(freshForMs, keepForMs));
    },
    isPlain: (slot, nowMs) => nowMs < (refresh[slot] as number),
    filledMs: (slot) => filled[slot] as number,
    refreshMs: (slot) => refresh[slot] as number,
    freshUntilMs: (slot) => (filled[slot] as number) + (freshFor[slot] as number),
    keepUntilMs: (slot) => (filled[slot] as number) + (keepFor[slot] as number),
    distrust: () => void refresh.fill(Number.NEGATIVE_INFINITY),
    grow(slots) {
      refresh = grownFloat64(refresh, slots);
      filled = grownFloat64(filled, slots);
      freshFor = grownFloat32(freshFor, slots);
      keepFor = grownFloat32(keepFor, slots);
    },
  };
}
