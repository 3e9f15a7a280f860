/**
 * Ghost caches: what other sizes and policies would give. Each follows the same sample of the keys, chosen by their hashes, as
 * a cache that is smaller by the same share and keeps no values (Waldspurger, Park, Garthwaite, Ahmad: "Efficient MRC
 * Construction with SHARDS", FAST 2015). So the curve of the
 * ratio of hits against the size costs a small part of the requests and of the memory.
 */
import type { Random } from '#base/random';
import { NO_SLOT } from '../policies/policy.ts';
import { createPolicy, type PolicyName } from '../policy-names.ts';

export interface GhostsOptions {
  policies: readonly PolicyName[];
  /** Entries of the whole caches that they stand for. */
  sizes: readonly number[];
  /** Of the keys. */
  share: number;
}

/** What a cache of this size and policy would have answered. */
export interface GhostRatio {
  policy: PolicyName;
  entriesMax: number;
  requests: number;
  hitRatio: number;
}

export interface Ghosts {
  /** A key of the sample was asked for. */
  requested(hash: number): void;
  /**
   * @param total requests for all keys, of the sample and not. Whether the few hottest keys are in the sample makes it too hot or
   * too cold; what the sample has too many or too few are counted as their hits ("SHARDS-adj")
   */
  ratios(total: number): GhostRatio[];
}

/** Fewer entries would tell nothing. */
const ENTRIES_MIN = 16;

function createGhost(policyName: PolicyName, entriesMax: number, random: Random) {
  const policy = createPolicy(policyName, random);
  policy.grow(entriesMax);
  const index = new Map<number, number>();
  const hashes = new Int32Array(entriesMax);
  let hits = 0;
  let requests = 0;
  return {
    hits: () => hits,
    requests: () => requests,
    requested(hash: number): void {
      requests += 1;
      const known = index.get(hash);
      if (known !== undefined) {
        hits += 1;
        policy.touch(known);
        return;
      }
      let slot = index.size;
      if (slot >= entriesMax) {
        slot = policy.evict();
        if (slot === NO_SLOT) return;
        index.delete(hashes[slot] as number);
      }
      hashes[slot] = hash;
      index.set(hash, slot);
      policy.add(slot, hash, 0);
    },
  };
}

/** A ghost for each policy and size. */
export function createGhosts(
  { policies, sizes, share }: GhostsOptions,
  { random }: { random: Random },
): Ghosts {
  const ghosts = policies.flatMap((policy) =>
    sizes.map((entriesMax) => {
      const sampled = Math.max(ENTRIES_MIN, Math.round(entriesMax * share));
      return { policy, entriesMax, ghost: createGhost(policy, sampled, random) };
    }),
  );
  return {
    requested(hash) {
      for (const { ghost } of ghosts) ghost.requested(hash);
    },
    ratios: (total) =>
      ghosts.map(({ policy, entriesMax, ghost }) => {
        const expected = total * share;
        const hits = ghost.hits() + expected - ghost.requests();
        const hitRatio = expected === 0 ? 0 : Math.min(1, Math.max(0, hits / expected));
        return { policy, entriesMax, requests: ghost.requests(), hitRatio };
      }),
  };
}
