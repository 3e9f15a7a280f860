import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { RING_ALGORITHMS } from './placement.ts';

export const RING_NODES_MAX = 1000;
export const RING_WEIGHT_MAX = 100;
/** 6 bytes a point and 8 to 16 of the table: at most 22 MB. */
export const RING_POINTS_MAX = 1_000_000;
/** Characters of a node's name. */
export const RING_NAME_LENGTH_MAX = 256;

/** Primes, as maglev needs them. */
const MAGLEV_ENTRIES = [251, 2039, 65537, 655373] as const;

export const ringOptions = optionsSchema(
  {
    algorithm: Type.Enum([...RING_ALGORITHMS], {
      default: 'ring',
      description:
        'How keys are placed. `ring`: virtual nodes on a circle. `ketama`: as memcached clients do. `jump`: equal shares, nodes added and removed at the end of the list only. `maglev`: a table, equal shares, few other keys move. `rendezvous`: equal shares, slower with many nodes.',
    }),
    virtualNodes: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 160,
      description:
        'Points of a node of weight 1 on the circle (`ring`). With 160, shares of equal nodes differ by about 8 %; with four times as many by half of that, and the circle takes four times the memory.',
    }),
    maglevEntries: Type.Enum([...MAGLEV_ENTRIES], {
      default: 65537,
      description: 'Entries of the table (`maglev`), two bytes each; a hundred for each node or more.',
    }),
  },
  'Which server a key belongs to.',
);

export type RingOptions = Static<typeof ringOptions>;

export const boundedLoadOptions = optionsSchema(
  {
    loadFactor: Type.Number({
      minimum: 1.01,
      maximum: 100,
      default: 1.25,
      description:
        'No node has more than so many times its share of what is under way; what would go beyond goes to the next.',
    }),
  },
  'Bounded load.',
);

export type BoundedLoadOptions = Static<typeof boundedLoadOptions>;
