/**
 * First in, first out: the one that came first goes. Being asked for changes nothing.
 */
import { NO_SLOT, type Policy } from './policy.ts';
import { createSlotLists } from './slot-lists.ts';

/** @returns an empty policy */
export function createFifo(): Policy {
  const order = createSlotLists(1);
  return {
    add: (slot) => order.pushFront(0, slot),
    touch() {},
    renew() {},
    remove: order.unlink,
    evict() {
      const slot = order.back(0);
      if (slot !== NO_SLOT) order.unlink(slot);
      return slot;
    },
    grow: order.grow,
  };
}
