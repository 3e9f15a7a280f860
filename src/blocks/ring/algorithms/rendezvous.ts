/**
 * Rendezvous hashing, highest random weight (Thaler & Ravishankar 1998; weights after Schindelhauer & Schomaker): each node
 * draws a number for the key, and the highest has it. No table and exact shares; the time grows with the number of nodes.
 */
import { hash32, mix32 } from '../hash.ts';
import { type Placed, type Placement, ranksByName } from '../placement.ts';

const NODE_SEED = 0x85a308d3;

/**
 * The higher, the likelier the heavier the node is: `weight / -ln(u)` of a `u` in (0, 1). With equal weights the order of these
 * is that of the draws themselves, so the logarithm is left away and the answer is the same.
 */
function scoreOf(drawn: number, weight: number): number {
  return weight / -Math.log((drawn + 0.5) / 2 ** 32);
}

export function createRendezvous({ names, weights }: Placed): Placement {
  const count = names.length;
  // Looked at in the order of names: between equal numbers the first one stays.
  const ranks = ranksByName(names);
  const ranked = Uint16Array.from(names.keys()).sort((a, b) => ranks[a]! - ranks[b]!);
  const seeds = Uint32Array.from(ranked, (index) => hash32(names[index] as string, NODE_SEED));
  const rankedWeights = Uint8Array.from(ranked, (index) => weights[index]!);
  const isEqual = weights.every((weight) => weight === weights[0]);
  const scores = new Float64Array(count);

  function score(key: number, rank: number): number {
    const drawn = mix32(key ^ seeds[rank]!);
    return isEqual ? drawn : scoreOf(drawn, rankedWeights[rank]!);
  }

  return {
    indexOf(key) {
      const hash = hash32(key);
      let best = 0;
      let bestScore = -1;
      for (let rank = 0; rank < count; rank++) {
        const own = score(hash, rank);
        if (own > bestScore) {
          bestScore = own;
          best = rank;
        }
      }
      return ranked[best]!;
    },
    fillReplicas(key, into) {
      const hash = hash32(key);
      const wanted = Math.min(into.length, count);
      for (let rank = 0; rank < count; rank++) scores[rank] = score(hash, rank);
      for (let found = 0; found < wanted; found++) {
        let best = 0;
        for (let rank = 1; rank < count; rank++) if (scores[rank]! > scores[best]!) best = rank;
        into[found] = ranked[best]!;
        scores[best] = -1;
      }
      return wanted;
    },
  };
}
