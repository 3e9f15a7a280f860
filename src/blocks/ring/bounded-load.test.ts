import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseOptions } from '#base/options';
import { createBoundedLoad } from './bounded-load.ts';
import { boundedLoadOptions, ringOptions } from './options.ts';
import { RING_ALGORITHMS } from './placement.ts';
import { createRing } from './ring.ts';

const balance = (algorithm: string, weights: number[], loadFactor = 1.25) => {
  const nodes = weights.map((weight, i) => ({ name: `node-${i}`, weight }));
  const given = algorithm === 'maglev' ? { algorithm, maglevEntries: 2039 } : { algorithm };
  const ring = createRing(parseOptions(ringOptions, given), nodes);
  return { ring, balanced: createBoundedLoad(parseOptions(boundedLoadOptions, { loadFactor }), { ring }) };
};

describe('bounded load', () => {
  test('property: as its definition says, over all placements, whatever is taken and given back', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RING_ALGORITHMS),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 9 }),
        fc.double({ min: 1.01, max: 3, noNaN: true }),
        fc.array(fc.integer({ min: -3, max: 5 }), { maxLength: 120 }),
        (algorithm, weights, loadFactor, steps) => {
          const { ring, balanced } = balance(algorithm, weights, loadFactor);
          const weightTotal = weights.reduce((sum, weight) => sum + weight, 0);
          const loads = weights.map(() => 0);
          const taken: number[] = [];
          for (const step of steps) {
            const back = step < 0 ? taken.splice(-step - 1, 1)[0] : undefined;
            if (back !== undefined) {
              balanced.release(back);
              loads[back]! -= 1;
            }
            if (step < 0) continue;
            const bound = (node: number) =>
              Math.ceil((loadFactor * (taken.length + 1) * weights[node]!) / weightTotal);
            const order = ring.nodesOf(`key ${step}`, weights.length).map((name) => ring.nodes.indexOf(name));
            const expected = order.find((node) => loads[node]! + 1 <= bound(node));
            const node = balanced.take(`key ${step}`);
            assert.equal(node, expected);
            loads[node]! += 1;
            taken.push(node);
          }
          assert.equal(balanced.total(), taken.length);
          for (const [node, load] of loads.entries()) assert.equal(balanced.loadOf(node), load);
        },
      ),
    );
  });

  test('one hot key is spread over as many nodes as its bound needs, and comes home when they are free', () => {
    const { ring, balanced } = balance('ring', Array(50).fill(1));
    const home = ring.indexOf('hot');
    const taken = Array.from({ length: 1000 }, () => balanced.take('hot'));
    const counts = taken.map((node) => balanced.loadOf(node));
    assert(Math.max(...counts) <= Math.ceil((1.25 * 1000) / 50));
    assert.equal(new Set(taken).size, 40, 'a thousand, at most 25 on each');
    for (const node of taken) balanced.release(node);
    assert.equal(balanced.take('hot'), home);
  });

  test('what was not taken is not given back', () => {
    const { balanced } = balance('jump', [1, 1]);
    assert.throws(() => balanced.release(0), /only what was taken/);
  });
});
