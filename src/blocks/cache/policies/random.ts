/**
 * Any one goes, each as likely as the others. Beside it every other policy must prove what it is good for.
 */
import type { Random } from '#base/random';
import { grownInt32, NO_SLOT, type Policy } from './policy.ts';

/** @param deps the dice */
export function createRandomPolicy({ random }: { random: Random }): Policy {
  /** The slots in use, without gaps. */
  let used = new Int32Array(0);
  /** Where a slot is in `used`. */
  let places = new Int32Array(0);
  let count = 0;

  /** The last one takes its place. */
  function remove(slot: number): void {
    const place = places[slot] as number;
    count -= 1;
    const last = used[count] as number;
    used[place] = last;
    places[last] = place;
  }

  return {
    add(slot) {
      used[count] = slot;
      places[slot] = count;
      count += 1;
    },
    touch() {},
    renew() {},
    remove,
    evict() {
      if (count === 0) return NO_SLOT;
      const slot = used[Math.floor(random.fraction() * count)] as number;
      remove(slot);
      return slot;
    },
    grow(slots) {
      used = grownInt32(used, slots);
      places = grownInt32(places, slots);
    },
  };
}
