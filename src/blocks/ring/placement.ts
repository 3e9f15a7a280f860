/**
 * The port: which node a key belongs to. What a ring says depends on its nodes and its options alone, so all processes that
 * are given the same say the same. A ring never changes; other nodes are another ring.
 */
export interface RingNode {
  /** Keys are placed by it: a node that comes back under its name gets its keys back. */
  name: string;
  /** Of a node that takes twice as much as another, twice the other's. 1 if absent. */
  weight?: number;
}

export interface Ring {
  readonly algorithm: RingAlgorithm;
  /** Names, in the order in which they were given. */
  readonly nodes: readonly string[];
  /** By the index of the node. */
  readonly weights: Uint8Array;
  /** The key's node, by its index in `nodes`. */
  indexOf(key: string): number;
  /** The key's node, by its name. */
  nodeOf(key: string): string;
  /**
   * The nodes that hold the key when `into.length` of them do, by their indexes: `indexOf` first, all distinct. The first `n`
   * are the same whatever the length.
   * @returns how many: `into.length`, or as many as there are nodes
   */
  fillReplicas(key: string, into: Uint16Array): number;
  /** The same by name, in a list of its own. */
  nodesOf(key: string, count: number): string[];
}

export const RING_ALGORITHMS = ['ring', 'ketama', 'jump', 'maglev', 'rendezvous'] as const;
export type RingAlgorithm = (typeof RING_ALGORITHMS)[number];

/** What an algorithm is given, checked. */
export interface Placed {
  names: readonly string[];
  weights: Uint8Array;
}

/** What an algorithm does: the rest of the port is the same for all. */
export interface Placement {
  indexOf(key: string): number;
  fillReplicas(key: string, into: Uint16Array): number;
}

/** The order of names by code units, as ranks by index: what decides between nodes, so that the order of the list does not. */
export function ranksByName(names: readonly string[]): Uint16Array {
  const order = names.map((_, index) => index);
  order.sort((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : 1));
  const ranks = new Uint16Array(names.length);
  for (const [rank, index] of order.entries()) ranks[index] = rank;
  return ranks;
}
