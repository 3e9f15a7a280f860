import { systemRandom } from '../random.ts';

/** The seed of a run: LOADSTONE_SEED, or a new one; below 2³¹. */
export function readSeed(): number {
  const given = process.env.LOADSTONE_SEED;
  return given === undefined ? systemRandom.bytes(4).readUInt32LE() >>> 1 : Number(given);
}
