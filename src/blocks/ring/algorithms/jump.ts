/**
 * Jump consistent hash (Lamping & Veach 2014): no table, shares equal to the last key, but nodes are numbers. They are
 * numbered in the order of the list, so only its end may grow and shrink: a node taken from the middle renumbers all after it.
 *
 * A node of weight `w` has `w` numbers. The generator's 64 bits are two halves of 32: with BigInt a look-up takes four times
 * as long.
 */
import { hash32, mix32 } from '../hash.ts';
import type { Placed, Placement } from '../placement.ts';
import { createSeen } from './seen.ts';

/** 2862933555777941757, the multiplier of the paper. */
const MULTIPLIER_HIGH = 0x27bb2ee6;
const MULTIPLIER_LOW = 0x87b0b0fd;
const LOW_OF_LOW = MULTIPLIER_LOW & 0xffff;
const HIGH_OF_LOW = MULTIPLIER_LOW >>> 16;

/** The upper half of `low × MULTIPLIER_LOW`. */
function carryOf(low: number): number {
  const a = low & 0xffff;
  const b = low >>> 16;
  const middle = b * LOW_OF_LOW + Math.floor((a * LOW_OF_LOW) / 0x10000);
  const other = a * HIGH_OF_LOW + (middle % 0x10000);
  return b * HIGH_OF_LOW + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
}

/** @param high and `low`: the 64 bits of the key @returns below `buckets` */
export function jump(high: number, low: number, buckets: number): number {
  let upper = high | 0;
  let lower = low >>> 0;
  let bucket = 0;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    const product = Math.imul(upper, MULTIPLIER_LOW) + Math.imul(lower, MULTIPLIER_HIGH);
    upper = (product + carryOf(lower)) | 0;
    lower = (Math.imul(lower, MULTIPLIER_LOW) + 1) >>> 0;
    if (lower === 0) upper = (upper + 1) | 0;
    next = Math.floor((bucket + 1) * (0x8000_0000 / ((upper >>> 1) + 1)));
  }
  return bucket;
}

const UPPER_SEED = 0x5bd1e995;

/** So many draws for each replica; then the nodes that follow in the list are taken. */
const DRAWS_PER_REPLICA = 8;

export function createJump({ names, weights }: Placed): Placement {
  const slots = Uint16Array.from(names.flatMap((_, index) => Array(weights[index]!).fill(index) as number[]));
  const seen = createSeen(names.length);
  const draw = (hash: number) => slots[jump(mix32(hash ^ UPPER_SEED), hash, slots.length)]!;
  return {
    indexOf: (key) => draw(hash32(key)),
    fillReplicas(key, into) {
      const wanted = Math.min(into.length, names.length);
      let found = 0;
      let hash = hash32(key);
      let node = draw(hash);
      seen.begin();
      for (let draws = 0; found < wanted; draws++) {
        if (seen.meet(node)) into[found++] = node;
        if (draws < DRAWS_PER_REPLICA * names.length) {
          hash = mix32((hash + 0x9e3779b9) | 0);
          node = draw(hash);
        } else node = node === names.length - 1 ? 0 : node + 1;
      }
      return wanted;
    },
  };
}
