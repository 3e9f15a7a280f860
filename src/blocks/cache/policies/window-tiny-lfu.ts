/**
 * Window-TinyLFU (Einziger, Friedman, Manes 2017): the default. What comes in stands in a small window, by recency. Whoever
 * falls out of it stays only if it was asked for more often, by the sketch, than the one that would go for it. So a scan passes
 * through the window and takes nothing, and what is new gets its chance all the same.
 *
 *   window ──the last, when it is full──▶ is it asked for more often than the last on probation? ──no──▶ gone
 *                                                   │ yes, and that one goes
 *                                                   ▼
 *   protected (0.8 of main) ◀──asked for── probation ◀──the last, when protected is full── protected
 *
 * How large the window is, it finds out (window-share.ts). It changes by what comes: a window that is too large gives up to eight of its
 * entries to probation at each one that goes, and one that is too small keeps what comes, so that no request pays for all.
 */
import { createFrequencySketch } from './frequency-sketch.ts';
import { grownInt32, grownUint8, NO_SLOT, type Policy } from './policy.ts';
import { createSlotLists } from './slot-lists.ts';
import { createWindowShare } from './window-share.ts';

const WINDOW = 0;
const PROBATION = 1;
const PROTECTED = 2;
const PROTECTED_SHARE = 0.8;
const DEMOTED_AT_ONCE = 8;

/** @returns an empty policy; it needs the hashes of keys */
export function createWindowTinyLfu(): Policy {
  const lists = createSlotLists(3);
  const sketch = createFrequencySketch();
  const share = createWindowShare();
  let hashes = new Int32Array(0);
  let places = new Uint8Array(0);
  let windowCount = 0;
  let protectedCount = 0;
  let count = 0;

  function place(list: number, slot: number): void {
    places[slot] = list;
    lists.pushFront(list, slot);
  }

  function demote(slot: number): void {
    lists.unlink(slot);
    windowCount -= 1;
    place(PROBATION, slot);
  }

  /** Gives what the window has too much to probation. */
  function shrinkWindow(to: number): void {
    for (let n = 0; n < DEMOTED_AT_ONCE && windowCount > to; n++) demote(lists.back(WINDOW));
  }

  function remove(slot: number): void {
    lists.unlink(slot);
    const at = places[slot];
    if (at === WINDOW) windowCount -= 1;
    else if (at === PROTECTED) protectedCount -= 1;
    count -= 1;
  }

  function promote(slot: number): void {
    lists.unlink(slot);
    place(PROTECTED, slot);
    protectedCount += 1;
    if (protectedCount <= Math.floor((count - windowCount) * PROTECTED_SHARE)) return;
    const last = lists.back(PROTECTED);
    lists.unlink(last);
    protectedCount -= 1;
    place(PROBATION, last);
  }

  function touch(slot: number): void {
    sketch.increment(hashes[slot] as number);
    const at = places[slot] as number;
    if (at === PROBATION) promote(slot);
    else lists.moveToFront(at, slot);
  }

  function choose(): number {
    const probation = lists.back(PROBATION);
    const victim = probation === NO_SLOT ? lists.back(PROTECTED) : probation;
    const candidate = lists.back(WINDOW);
    // With the one that will come.
    const isWindowFull = windowCount + 1 > share.max(count);
    if (victim === NO_SLOT || candidate === NO_SLOT || !isWindowFull) {
      if (victim !== NO_SLOT) share.takenOut(hashes[victim] as number);
      return victim === NO_SLOT ? candidate : victim;
    }
    const isBetter = sketch.estimate(hashes[candidate] as number) > sketch.estimate(hashes[victim] as number);
    if (!isBetter) {
      share.turnedAway(hashes[candidate] as number);
      return candidate;
    }
    share.takenOut(hashes[victim] as number);
    demote(candidate);
    return victim;
  }

  return {
    add(slot, hash) {
      share.came(hash, count);
      sketch.increment(hash);
      hashes[slot] = hash;
      place(WINDOW, slot);
      windowCount += 1;
      count += 1;
      shrinkWindow(share.max(count));
    },
    touch,
    renew: touch,
    remove,
    evict() {
      if (count === 0) return NO_SLOT;
      shrinkWindow(share.max(count));
      const slot = choose();
      remove(slot);
      return slot;
    },
    grow(to) {
      hashes = grownInt32(hashes, to);
      places = grownUint8(places, to);
      lists.grow(to);
      sketch.grow(to);
      share.grow(to);
    },
  };
}
