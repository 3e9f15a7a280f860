/**
 * What decides who goes when there is no room: pure, without a clock and without I/O. A policy knows entries by their slots,
 * small whole numbers that the store hands out and uses again, so that all it keeps are typed arrays.
 *
 * The store calls `evict` before it adds, never after: a policy such as MRU would otherwise choose what has just come.
 */
export interface Policy {
  /**
   * An entry came in. Its slot is below what `grow` was last called with, and not in use.
   * @param hash of its key; 0 unless the policy needs hashes
   * @param untilMs when it expires
   */
  add(slot: number, hash: number, untilMs: number): void;
  /** It was asked for, and was there. */
  touch(slot: number): void;
  /** It has a new value, which expires then. */
  renew(slot: number, untilMs: number): void;
  /** It has gone for another reason than `evict`. */
  remove(slot: number): void;
  /** Chooses one that goes, and forgets it; NO_SLOT when there is none. */
  evict(): number;
  /** Makes room for slots below this number; what there is stays. */
  grow(slots: number): void;
}

/** No slot. */
export const NO_SLOT = -1;

/** A longer copy with the same beginning. */
export function grownInt32(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length);
  grown.set(array);
  return grown;
}

/** The same for bytes. */
export function grownUint8(array: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(length);
  grown.set(array);
  return grown;
}

/** The same for numbers with fractions, and such as are larger than 32 bits. */
export function grownFloat64(array: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length);
  grown.set(array);
  return grown;
}
