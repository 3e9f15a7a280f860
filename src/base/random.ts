/**
 * Randomness. `systemRandom` is fit for secrets; `seededRandom` repeats itself and is for tests and simulations.
 */
import { randomBytes } from 'node:crypto';

export interface Random {
  bytes(count: number): Buffer;
  /** Uniform in [0, 1). */
  fraction(): number;
}

const POOL_BYTES = 4096;
/** Of more than this, the drawing itself costs more than the call. */
const POOLED_BYTES_MAX = 64;
let pool = Buffer.alloc(0);

/** A few bytes from many drawn at once, each given once: a call to the system for each takes nine times as long. */
function drawPooled(count: number): Buffer {
  if (pool.length < count) pool = randomBytes(POOL_BYTES);
  const drawn = Buffer.from(pool.subarray(0, count));
  // What has been given away is not kept where it could be given, or read, again.
  pool.fill(0, 0, count);
  pool = pool.subarray(count);
  return drawn;
}

export const systemRandom: Random = {
  bytes: (count) => (count <= POOLED_BYTES_MAX ? drawPooled(count) : randomBytes(count)),
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};

/** sfc32 (Doty-Humphrey, PractRand): 32-bit arithmetic only, so equal on every machine. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9 | 0;
  let b = 0x243f6a88 | 0;
  let c = 0xb7e15162 | 0;
  let d = seed | 0;
  function next(): number {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  }
  for (let i = 0; i < 15; i++) next();
  return {
    fraction: () => next() / 2 ** 32,
    bytes(count) {
      const out = Buffer.allocUnsafe(count);
      for (let i = 0; i < count; i++) out[i] = next() & 0xff;
      return out;
    },
  };
}
