/**
 * The one that expires first goes; of such as expire at once the one that came, or was renewed, first. A binary heap of slots.
 */
import { grownFloat64, grownInt32, NO_SLOT, type Policy } from './policy.ts';

/** @returns an empty policy */
export function createTtlPolicy(): Policy {
  /** Slots; each expires no later than the two below it. */
  let heap = new Int32Array(0);
  let places = new Int32Array(0);
  let until = new Float64Array(0);
  let turns = new Float64Array(0);
  let turn = 0;
  let count = 0;

  function isBefore(a: number, b: number): boolean {
    const difference = (until[a] as number) - (until[b] as number);
    return difference === 0 ? (turns[a] as number) < (turns[b] as number) : difference < 0;
  }

  function put(place: number, slot: number): void {
    heap[place] = slot;
    places[slot] = place;
  }

  function siftUp(from: number, slot: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = heap[above] as number;
      if (!isBefore(slot, other)) break;
      put(place, other);
      place = above;
    }
    put(place, slot);
  }

  function siftDown(from: number, slot: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= count) break;
      if (below + 1 < count && isBefore(heap[below + 1] as number, heap[below] as number)) below += 1;
      const other = heap[below] as number;
      if (!isBefore(other, slot)) break;
      put(place, other);
      place = below;
    }
    put(place, slot);
  }

  function remove(slot: number): void {
    const place = places[slot] as number;
    count -= 1;
    const last = heap[count] as number;
    if (last === slot) return;
    siftDown(place, last);
    siftUp(places[last] as number, last);
  }

  function add(slot: number, _hash: number, untilMs: number): void {
    until[slot] = untilMs;
    turns[slot] = turn;
    turn += 1;
    count += 1;
    siftUp(count - 1, slot);
  }

  return {
    add,
    touch() {},
    renew(slot, untilMs) {
      remove(slot);
      add(slot, 0, untilMs);
    },
    remove,
    evict() {
      if (count === 0) return NO_SLOT;
      const slot = heap[0] as number;
      remove(slot);
      return slot;
    },
    grow(slots) {
      heap = grownInt32(heap, slots);
      places = grownInt32(places, slots);
      until = grownFloat64(until, slots);
      turns = grownFloat64(turns, slots);
    },
  };
}
