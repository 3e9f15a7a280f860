/**
 * 32 bits of a key, for the sketch and for samples. FNV-1a (Fowler, Noll, Vo) over UTF-16 units from a seed that each process
 * draws for itself: whoever chooses keys cannot choose such as share counters. Nothing outside of the process sees it, so it
 * need not agree with anything.
 */
export function hashKey(key: string, seed: number): number {
  let h = seed | 0;
  for (let at = 0; at < key.length; at++) h = Math.imul(h ^ key.charCodeAt(at), 0x01000193);
  // The low bits of FNV-1a know little of the high bits of a character.
  h ^= h >>> 15;
  return Math.imul(h, 0x2c1b3c6d) ^ (h >>> 13);
}
