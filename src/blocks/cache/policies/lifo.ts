/**
 * Last in, first out: the one that came last goes. For what is read in the order in which it came, over and over.
 */
import { NO_SLOT, type Policy } from './policy.ts';
import { createSlotLists } from './slot-lists.ts';

/** @returns an empty policy */
export function createLifo(): Policy {
  const order = createSlotLists(1);
  return {
    add: (slot) => order.pushFront(0, slot),
    touch() {},
    renew() {},
    remove: order.unlink,
    evict() {
      const slot = order.front(0);
      if (slot !== NO_SLOT) order.unlink(slot);
      return slot;
    },
    grow: order.grow,
  };
}
