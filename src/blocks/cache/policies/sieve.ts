/**
 * SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is Simpler than LRU", NSDI 2024). Entries stay in the order in which they
 * came. A hand goes from the oldest to the newest, and from there to the oldest again: what was asked for since it last came
 * by it spares once; the first that was not goes. A hit sets one byte and moves nothing, which makes it the fastest to hit.
 */
import { grownUint8, NO_SLOT, type Policy } from './policy.ts';
import { createSlotLists } from './slot-lists.ts';

/** @returns an empty policy */
export function createSieve(): Policy {
  const order = createSlotLists(1);
  let visited = new Uint8Array(0);
  let hand = NO_SLOT;

  /** The hand never stays on one that has gone. */
  function unlink(slot: number): void {
    if (hand === slot) hand = order.before(slot);
    order.unlink(slot);
  }

  function touch(slot: number): void {
    visited[slot] = 1;
  }

  return {
    add(slot) {
      visited[slot] = 0;
      order.pushFront(0, slot);
    },
    touch,
    renew: touch,
    remove: unlink,
    evict() {
      let slot = hand === NO_SLOT ? order.back(0) : hand;
      if (slot === NO_SLOT) return NO_SLOT;
      while (visited[slot] === 1) {
        visited[slot] = 0;
        const newer = order.before(slot);
        slot = newer === NO_SLOT ? order.back(0) : newer;
      }
      hand = slot;
      unlink(slot);
      return slot;
    },
    grow(slots) {
      visited = grownUint8(visited, slots);
      order.grow(slots);
    },
  };
}
