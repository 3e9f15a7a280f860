/**
 * Least recently used: the one that has not been asked for the longest goes.
 */
import { NO_SLOT, type Policy } from './policy.ts';
import { createSlotLists } from './slot-lists.ts';

/** @returns an empty policy */
export function createLru(): Policy {
  const recency = createSlotLists(1);
  return {
    add: (slot) => recency.pushFront(0, slot),
    touch: (slot) => recency.moveToFront(0, slot),
    renew: (slot) => recency.moveToFront(0, slot),
    remove: recency.unlink,
    evict() {
      const slot = recency.back(0);
      if (slot !== NO_SLOT) recency.unlink(slot);
      return slot;
    },
    grow: recency.grow,
  };
}
