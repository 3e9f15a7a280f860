/**
 * The placement of memcached clients: libketama's, with its 40 hashes of four points for each server. Keys and points are
 * hashed by MD5; a server's name is hashed as it is written, so it must be written as the other client has it (`host:port`;
 * some leave 11211 away).
 *
 * With unequal weights a server has `floor(weight / total × 40 × servers)` hashes. A node that comes or goes changes these for
 * all others, so more keys move than the node's own; that is ketama's, and kept. Sums are done in the same order as there,
 * since at seven servers and some other numbers of them the floor of a double falls to 39.
 */
import { hash } from 'node:crypto';
import type { Placed, Placement } from '../placement.ts';
import { createCircle, sortPoints } from './circle.ts';

const HASHES_PER_NODE = 40;
const POINTS_PER_HASH = 4;
const POINT_BYTES = 4;

const digest = (text: string) => hash('md5', text, 'buffer');

export function createKetama({ names, weights }: Placed): Placement {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const points = names.flatMap((name, rank) => {
    const hashes = Math.floor((weights[rank]! / total) * HASHES_PER_NODE * names.length);
    return Array.from({ length: hashes }, (_, i) => digest(`${name}-${i}`)).flatMap((bytes) =>
      Array.from({ length: POINTS_PER_HASH }, (_, point) => ({
        place: bytes.readUInt32LE(point * POINT_BYTES),
        rank,
      })),
    );
  });
  const ranked = Uint16Array.from(names, (_, rank) => rank);
  return createCircle(sortPoints(points, ranked), names.length, (key) => digest(key).readUInt32LE(0));
}
