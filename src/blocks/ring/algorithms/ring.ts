/**
 * Consistent hashing (Karger et al. 1997): each node has `virtualNodes × weight` points on a circle, at places hashed from its
 * name, so that another node takes or leaves nothing but its own points' keys.
 */
import { hash32 } from '../hash.ts';
import { type Placed, type Placement, ranksByName } from '../placement.ts';
import { createCircle, sortPoints } from './circle.ts';

/** Keys are hashed with another seed than points: a key that is written like a point is not where the point is. */
const POINT_SEED = 0x9747b28c;

export function createVirtualNodes({ names, weights }: Placed, virtualNodes: number): Placement {
  const ranks = ranksByName(names);
  const ranked = new Uint16Array(names.length);
  const points: { place: number; rank: number }[] = [];
  for (const [index, name] of names.entries()) {
    const rank = ranks[index]!;
    ranked[rank] = index;
    for (let point = 0; point < virtualNodes * weights[index]!; point++) {
      points.push({ place: hash32(`${name}#${point}`, POINT_SEED), rank });
    }
  }
  return createCircle(sortPoints(points, ranked), names.length, hash32);
}
