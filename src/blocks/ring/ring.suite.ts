/**
 * What every placement keeps, and what only some do.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseOptions } from '#base/options';
import { type RingOptions, ringOptions } from './options.ts';
import type { Ring, RingNode } from './placement.ts';
import { createRing } from './ring.ts';

export interface Traits {
  options: Partial<RingOptions>;
  /** The order of the list decides nothing. */
  isOrderFree: boolean;
  /** Any node may come and go; else only the last. */
  isAnyRemovable: boolean;
  /** Of the keys of nodes that stay, so many may move beside those that must. 0: none ever does. */
  strayShareMax: number;
  /** Whoever holds the second replica has the key when the first is gone. */
  isNextReplicaHeir: boolean;
  /** The busiest of ten equal nodes has at most so many times the mean. */
  spreadMax: number;
  /** Where forty keys are, on ten nodes: for ever. */
  pinned: string;
}

const KEYS = 10_000;
const keys = Array.from({ length: KEYS }, (_, i) => `user:${i}:session`);
const named = (count: number): RingNode[] => Array.from({ length: count }, (_, i) => ({ name: `node-${i}` }));

/** Of any code units, lone surrogates too. */
const keysArbitrary = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });

const namesArbitrary = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 12,
});

function countByNode(ring: Ring): number[] {
  const counts = Array<number>(ring.nodes.length).fill(0);
  for (const key of keys) counts[ring.indexOf(key)]! += 1;
  return counts;
}

/** How many keys have another node, and how many of these were neither on `gone` nor are on `come`. */
function compare(before: Ring, after: Ring, { gone, come }: { gone?: string; come?: string }) {
  let moved = 0;
  let strays = 0;
  for (const key of keys) {
    const from = before.nodeOf(key);
    const to = after.nodeOf(key);
    if (from === to) continue;
    moved += 1;
    if (from !== gone && to !== come) strays += 1;
  }
  return { moved, strays };
}

export function ringSuite(name: string, traits: Traits): void {
  const options = parseOptions(ringOptions, traits.options);
  const make = (nodes: readonly RingNode[]) => createRing(options, nodes);

  test(`${name}: each key has one node, and replicas that begin with it and are all different`, () => {
    const anyNodes = fc.tuple(namesArbitrary, fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 12 }));
    fc.assert(
      fc.property(anyNodes, keysArbitrary, fc.integer({ min: 0, max: 14 }), (given, key, count) => {
        const [names, weights] = given;
        const ring = make(names.map((each, i) => ({ name: each, weight: weights[i] ?? 1 })));
        assert.deepEqual(ring.nodes, names);
        const index = ring.indexOf(key);
        assert.equal(ring.indexOf(key), index);
        assert.equal(ring.nodeOf(key), names[index]);
        const replicas = ring.nodesOf(key, count);
        assert.equal(replicas.length, Math.min(count, names.length));
        assert.equal(new Set(replicas).size, replicas.length);
        if (count > 0) assert.equal(replicas[0], names[index]);
        const all = ring.nodesOf(key, names.length);
        assert.deepEqual(all.slice(0, count), replicas, 'fewer replicas are the first of more');
        assert.deepEqual(all.toSorted(), names.toSorted());
        const into = new Uint16Array(count);
        assert.equal(ring.fillReplicas(key, into), replicas.length);
        assert.deepEqual(
          Array.from(into.subarray(0, replicas.length), (each) => names[each]),
          replicas,
        );
      }),
      { numRuns: traits.options.algorithm === 'maglev' ? 30 : 100 },
    );
  });

  test(`${name}: keys are where they have always been`, () => {
    const ring = make(named(10));
    const found = Array.from({ length: 40 }, (_, i) => ring.indexOf(`key ${i}`)).join('');
    assert.equal(found, traits.pinned);
  });

  if (traits.isOrderFree) {
    test(`${name}: processes that list the nodes in other orders agree`, () => {
      fc.assert(
        fc.property(
          namesArbitrary.chain((names) =>
            fc.tuple(fc.constant(names), fc.shuffledSubarray(names, { minLength: names.length })),
          ),
          fc.array(fc.string(), { minLength: 20, maxLength: 20 }),
          ([names, shuffled], some) => {
            const one = make(names.map((each) => ({ name: each, weight: 1 + (each.length % 2) })));
            const other = make(shuffled.map((each) => ({ name: each, weight: 1 + (each.length % 2) })));
            for (const key of some) assert.deepEqual(one.nodesOf(key, 5), other.nodesOf(key, 5));
          },
        ),
        { numRuns: traits.options.algorithm === 'maglev' ? 10 : 50 },
      );
    });
  }

  test(`${name}: a node that comes takes its share and no more; when it goes it is as before`, () => {
    let moved = 0;
    let expected = 0;
    for (let count = 2; count <= 12; count++) {
      const few = make(named(count - 1));
      const many = make(named(count));
      const joined = compare(few, many, { come: `node-${count - 1}` });
      assert(joined.strays <= traits.strayShareMax * KEYS, `${count} nodes: ${joined.strays} strays`);
      moved += joined.moved;
      expected += KEYS / count;
    }
    assert(moved <= 1.1 * expected, `${moved} keys moved; K/N is ${expected}`);
  });

  if (traits.isAnyRemovable) {
    test(`${name}: a node that goes leaves its keys to the others, which keep theirs`, () => {
      const all = named(10);
      const before = make(all);
      let moved = 0;
      for (const { name: gone } of all) {
        const after = make(all.filter((each) => each.name !== gone));
        const left = compare(before, after, { gone });
        assert(left.strays <= traits.strayShareMax * KEYS, `without ${gone}: ${left.strays} strays`);
        moved += left.moved;
        if (!traits.isNextReplicaHeir) continue;
        for (const key of keys.slice(0, 500)) {
          const [first, second] = before.nodesOf(key, 2);
          if (first === gone) assert.equal(after.nodeOf(key), second);
        }
      }
      assert(
        moved <= 1.1 * KEYS,
        `${moved} keys moved when each of ten went once; K/N each is ${KEYS} in all`,
      );
    });
  }

  test(`${name}: equal nodes have about equal shares, and of weights their part`, () => {
    const equal = countByNode(make(named(10)));
    const spread = Math.max(...equal) / (KEYS / 10);
    assert(spread <= traits.spreadMax, `the busiest has ${spread} times the mean`);
    const [light = 0, heavy = 0] = countByNode(make([{ name: 'light' }, { name: 'heavy', weight: 3 }]));
    assert(heavy / light > 3 * 0.75 && heavy / light < 3 * 1.35, `3 times the weight got ${heavy / light}`);
  });

  test(`${name}: a thousand nodes, and the replicas of a key on all of them`, () => {
    const ring = make(named(1000));
    assert.equal(new Set(ring.nodesOf('a key', 1000)).size, 1000);
    assert(countByNode(ring).filter((count) => count === 0).length < 100);
  });
}
