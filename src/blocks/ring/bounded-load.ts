/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup & Zadimoghaddam 2018): a key goes to its node unless that has
 * `loadFactor` times its share of everything under way; then to the next one that would hold a replica of it. There is always
 * one, since the bounds together are more than what there is.
 */
import assert from 'node:assert/strict';
import type { BoundedLoadOptions } from './options.ts';
import type { Ring } from './placement.ts';

export interface BoundedLoad {
  /** One more under way for the key. @returns the index of the node that has it, to be given back */
  take(key: string): number;
  /** It is over. */
  release(node: number): void;
  /** Under way on the node. */
  loadOf(node: number): number;
  /** Under way on all. */
  total(): number;
}

const FIRST_LOOK = 4;

/** @param options checked by `boundedLoadOptions`. It counts from nothing */
export function createBoundedLoad({ loadFactor }: BoundedLoadOptions, { ring }: { ring: Ring }): BoundedLoad {
  const count = ring.nodes.length;
  const weightTotal = ring.weights.reduce((sum, weight) => sum + weight, 0);
  const loads = new Float64Array(count);
  const orders: Uint16Array[] = [];
  for (let length = FIRST_LOOK; length < count; length *= 4) orders.push(new Uint16Array(length));
  orders.push(new Uint16Array(count));
  let total = 0;

  const hasRoom = (node: number) =>
    loads[node]! < Math.ceil((loadFactor * (total + 1) * ring.weights[node]!) / weightTotal);

  /** Few first: seldom is more than the next one full. */
  function findRoom(key: string): number {
    for (const order of orders) {
      const found = ring.fillReplicas(key, order);
      for (let at = 0; at < found; at++) if (hasRoom(order[at]!)) return order[at]!;
    }
    assert.fail('the bounds together are more than what is under way');
  }

  return {
    take(key) {
      const own = ring.indexOf(key);
      const node = hasRoom(own) ? own : findRoom(key);
      loads[node] = loads[node]! + 1;
      total += 1;
      return node;
    },
    release(node) {
      assert(loads[node]! > 0, 'only what was taken is released, once');
      loads[node] = loads[node]! - 1;
      total -= 1;
    },
    loadOf: (node) => loads[node]!,
    total: () => total,
  };
}
