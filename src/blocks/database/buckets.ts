/**
 * Logical buckets: what later moves between shards. Their number never changes, so a row's bucket never does.
 */

export const BUCKETS = 1024;

/** FNV-1a over the key's UTF-16 units, then murmur3's finaliser, because FNV alone is weak in its low bits. */
export function bucketOf(shardKey: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < shardKey.length; i++) {
    hash = Math.imul(hash ^ shardKey.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % BUCKETS;
}
