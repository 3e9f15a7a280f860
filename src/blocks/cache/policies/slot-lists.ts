/**
 * Doubly linked lists of slots in a typed array; each slot is in at most one list. Each list has a node of its own that closes
 * it into a ring, before those of the slots, so that linking and unlinking have no special cases. The two neighbours of a
 * node lie side by side: to move one touches three lines of the processor's cache and not six.
 */
import { grownInt32, NO_SLOT } from './policy.ts';

export interface SlotLists {
  pushFront(list: number, slot: number): void;
  unlink(slot: number): void;
  /** Unlinks it and puts it first. */
  moveToFront(list: number, slot: number): void;
  /** The first; NO_SLOT in an empty list. */
  front(list: number): number;
  /** The last; NO_SLOT in an empty list. */
  back(list: number): number;
  /** The one nearer to the front; NO_SLOT before the first. */
  before(slot: number): number;
  grow(slots: number): void;
}

/** @param lists how many there are; they are numbered from 0 */
export function createSlotLists(lists: number): SlotLists {
  /** Of each node the next one, towards the back, and after it the previous one. */
  let links = Int32Array.from({ length: 2 * lists }, (_, at) => at >> 1);

  function insertFirst(list: number, node: number): void {
    const following = links[2 * list] as number;
    links[2 * list] = node;
    links[2 * node + 1] = list;
    links[2 * node] = following;
    links[2 * following + 1] = node;
  }

  function unlinkNode(node: number): void {
    const after = links[2 * node] as number;
    const before = links[2 * node + 1] as number;
    links[2 * before] = after;
    links[2 * after + 1] = before;
  }

  const slotOf = (node: number) => (node < lists ? NO_SLOT : node - lists);

  return {
    pushFront: (list, slot) => insertFirst(list, slot + lists),
    unlink: (slot) => unlinkNode(slot + lists),
    moveToFront(list, slot) {
      const node = slot + lists;
      if (links[2 * list] === node) return;
      unlinkNode(node);
      insertFirst(list, node);
    },
    front: (list) => slotOf(links[2 * list] as number),
    back: (list) => slotOf(links[2 * list + 1] as number),
    before: (slot) => slotOf(links[2 * (slot + lists) + 1] as number),
    grow(slots) {
      links = grownInt32(links, 2 * (slots + lists));
    },
  };
}
