/**
 * Makes a ring: checks the nodes, and leaves the rest to the algorithm.
 */
import { createJump } from './algorithms/jump.ts';
import { createKetama } from './algorithms/ketama.ts';
import { createMaglev } from './algorithms/maglev.ts';
import { createRendezvous } from './algorithms/rendezvous.ts';
import { createVirtualNodes } from './algorithms/ring.ts';
import { ringErrors } from './errors.ts';
import {
  RING_NAME_LENGTH_MAX,
  RING_NODES_MAX,
  RING_POINTS_MAX,
  RING_WEIGHT_MAX,
  type RingOptions,
} from './options.ts';
import type { Placed, Placement, Ring, RingNode } from './placement.ts';

const invalid = (detail: string) => ringErrors.ring_nodes_invalid({ detail });

/** @throws ring_without_nodes, ring_nodes_invalid */
function checkNodes(nodes: readonly RingNode[]): Placed {
  if (nodes.length === 0) throw ringErrors.ring_without_nodes();
  if (nodes.length > RING_NODES_MAX) throw invalid(`${nodes.length} nodes; at most ${RING_NODES_MAX}`);
  const names = new Set<string>();
  for (const { name, weight = 1 } of nodes) {
    const shown = JSON.stringify(name.slice(0, RING_NAME_LENGTH_MAX));
    if (name === '' || name.length > RING_NAME_LENGTH_MAX)
      throw invalid(`the name ${shown} has not 1 to ${RING_NAME_LENGTH_MAX} characters`);
    if (names.has(name)) throw invalid(`${shown} is there twice`);
    if (!Number.isInteger(weight) || weight < 1 || weight > RING_WEIGHT_MAX)
      throw invalid(`${shown} has the weight ${weight}; allowed is 1 to ${RING_WEIGHT_MAX}`);
    names.add(name);
  }
  return { names: [...names], weights: Uint8Array.from(nodes, ({ weight = 1 }) => weight) };
}

function place(placed: Placed, { algorithm, virtualNodes, maglevEntries }: RingOptions): Placement {
  const total = placed.weights.reduce((sum, weight) => sum + weight, 0);
  switch (algorithm) {
    case 'ring':
      if (total * virtualNodes > RING_POINTS_MAX)
        throw invalid(`${total * virtualNodes} points; at most ${RING_POINTS_MAX}`);
      return createVirtualNodes(placed, virtualNodes);
    case 'ketama':
      return createKetama(placed);
    case 'jump':
      return createJump(placed);
    case 'maglev':
      if (total > maglevEntries)
        throw invalid(
          `the weights are ${total} together; at most ${maglevEntries}, the entries of the table`,
        );
      return createMaglev(placed, maglevEntries);
    case 'rendezvous':
      return createRendezvous(placed);
  }
}

/**
 * @param options checked by `ringOptions`
 * @param nodes in any order; with `jump` the order is part of what they are
 * @throws ring_without_nodes, ring_nodes_invalid
 */
export function createRing(options: RingOptions, nodes: readonly RingNode[]): Ring {
  const placed = checkNodes(nodes);
  const { names, weights } = placed;
  const { indexOf, fillReplicas } = place(placed, options);
  return {
    algorithm: options.algorithm,
    nodes: names,
    weights,
    indexOf,
    nodeOf: (key) => names[indexOf(key)] as string,
    fillReplicas,
    nodesOf(key, count) {
      const into = new Uint16Array(Math.min(count, names.length));
      fillReplicas(key, into);
      return Array.from(into, (index) => names[index] as string);
    },
  };
}
