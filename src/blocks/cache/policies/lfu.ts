/**
 * Least frequently used: the one that was asked for the fewest times since it came goes; of such as are equal the one that
 * was used longest ago. Every step takes constant time (Shah, Mitra, Matani: "An O(1) algorithm for implementing the LFU cache
 * eviction scheme", 2010): entries of one frequency are a list, and the lists are linked in the order of their frequencies.
 *
 * It never forgets: what was popular last year stays. Window-TinyLFU is this with ageing, and with an entrance.
 */
import { grownFloat64, grownInt32, NO_SLOT, type Policy } from './policy.ts';

/**
 * Groups are numbered like slots: there are never more than one for each entry, and one in the midst of a move. Number 0 closes
 * the ring of groups, so that the least frequency is next to it.
 */
function createGroups() {
  let above = new Int32Array(1);
  let below = new Int32Array(1);
  let frequency = new Float64Array(1);
  let free = new Int32Array(0);
  let freeCount = 0;
  let made = 1;
  return {
    above: (group: number) => above[group] as number,
    frequency: (group: number) => frequency[group] as number,
    /** A group for this frequency, next to one with less. */
    make(after: number, wanted: number): number {
      let group = made;
      if (freeCount > 0) {
        freeCount -= 1;
        group = free[freeCount] as number;
      } else made += 1;
      const over = above[after] as number;
      above[after] = group;
      below[group] = after;
      above[group] = over;
      below[over] = group;
      frequency[group] = wanted;
      return group;
    },
    drop(group: number): void {
      const under = below[group] as number;
      const over = above[group] as number;
      above[under] = over;
      below[over] = under;
      free[freeCount] = group;
      freeCount += 1;
    },
    below: (group: number) => below[group] as number,
    grow(slots: number): void {
      above = grownInt32(above, slots + 2);
      below = grownInt32(below, slots + 2);
      frequency = grownFloat64(frequency, slots + 2);
      free = grownInt32(free, slots + 2);
    },
  };
}

/** @returns an empty policy */
export function createLfu(): Policy {
  const groups = createGroups();
  /** Of each entry: its group, and its neighbours there. Of each group: the entries used last and first. */
  let groupOf = new Int32Array(0);
  let newer = new Int32Array(0);
  let older = new Int32Array(0);
  let newest = new Int32Array(0);
  let oldest = new Int32Array(0);

  function enter(group: number, slot: number, isNew: boolean): void {
    const before = isNew ? NO_SLOT : (newest[group] as number);
    groupOf[slot] = group;
    older[slot] = before;
    newer[slot] = NO_SLOT;
    newest[group] = slot;
    if (before === NO_SLOT) oldest[group] = slot;
    else newer[before] = slot;
  }

  function leave(slot: number): void {
    const group = groupOf[slot] as number;
    const next = newer[slot] as number;
    const before = older[slot] as number;
    if (next === NO_SLOT) newest[group] = before;
    else older[next] = before;
    if (before === NO_SLOT) oldest[group] = next;
    else newer[before] = next;
    if (next === NO_SLOT && before === NO_SLOT) groups.drop(group);
  }

  /** Into the group of this frequency, which is next to `under` or is made there. */
  function enterAbove(under: number, frequency: number, slot: number): void {
    const over = groups.above(under);
    if (over !== 0 && groups.frequency(over) === frequency) enter(over, slot, false);
    else enter(groups.make(under, frequency), slot, true);
  }

  function touch(slot: number): void {
    const group = groupOf[slot] as number;
    const frequency = groups.frequency(group);
    const isAlone = newer[slot] === NO_SLOT && older[slot] === NO_SLOT;
    const under = isAlone ? groups.below(group) : group;
    leave(slot);
    enterAbove(under, frequency + 1, slot);
  }

  return {
    add: (slot) => enterAbove(0, 1, slot),
    touch,
    renew: touch,
    remove: leave,
    evict() {
      const group = groups.above(0);
      if (group === 0) return NO_SLOT;
      const slot = oldest[group] as number;
      leave(slot);
      return slot;
    },
    grow(slots) {
      groups.grow(slots);
      groupOf = grownInt32(groupOf, slots);
      newer = grownInt32(newer, slots);
      older = grownInt32(older, slots);
      newest = grownInt32(newest, slots + 2);
      oldest = grownInt32(oldest, slots + 2);
    },
  };
}
