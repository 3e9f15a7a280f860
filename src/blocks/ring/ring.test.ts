import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import HashRing from 'hashring';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import { jump } from './algorithms/jump.ts';
import { fillTable } from './algorithms/maglev.ts';
import { hash32 } from './hash.ts';
import { ringOptions } from './options.ts';
import { ringSuite } from './ring.suite.ts';
import { createRing } from './ring.ts';

describe('ring', () =>
  ringSuite('ring', {
    options: {},
    isOrderFree: true,
    isAnyRemovable: true,
    strayShareMax: 0,
    isNextReplicaHeir: true,
    spreadMax: 1.25,
    pinned: '2076358754014363600593521211434228142148',
  }));

describe('ketama', () =>
  ringSuite('ketama', {
    options: { algorithm: 'ketama' },
    isOrderFree: true,
    isAnyRemovable: true,
    // At seven servers each has 39 hashes in place of 40, so that others' keys move too.
    strayShareMax: 0.04,
    isNextReplicaHeir: true,
    spreadMax: 1.25,
    pinned: '8877002734221031952601821366405297008903',
  }));

describe('jump', () =>
  ringSuite('jump', {
    options: { algorithm: 'jump' },
    isOrderFree: false,
    isAnyRemovable: false,
    strayShareMax: 0,
    isNextReplicaHeir: false,
    spreadMax: 1.1,
    pinned: '6292252354332857149673977202900408020580',
  }));

describe('maglev', () =>
  ringSuite('maglev', {
    options: { algorithm: 'maglev' },
    isOrderFree: true,
    isAnyRemovable: true,
    strayShareMax: 0.02,
    isNextReplicaHeir: false,
    spreadMax: 1.1,
    pinned: '3855665645887527567863734682705640464090',
  }));

describe('rendezvous', () =>
  ringSuite('rendezvous', {
    options: { algorithm: 'rendezvous' },
    isOrderFree: true,
    isAnyRemovable: true,
    strayShareMax: 0,
    isNextReplicaHeir: true,
    spreadMax: 1.1,
    pinned: '0760626997235834199885135630773482792779',
  }));

const options = (algorithm: string) => parseOptions(ringOptions, { algorithm });
const someKeys = (count: number) =>
  Array.from({ length: count }, (_, i) => `key:${i}:ß`.slice(0, 5 + (i % 9)));

describe('against what others say', () => {
  test('ring: the first point at or after the key, by looking at all of them', () => {
    const names = ['a', 'b', 'c', 'd'];
    const ring = createRing(
      parseOptions(ringOptions, { virtualNodes: 7 }),
      names.map((name) => ({ name })),
    );
    const points = names.flatMap((name) =>
      Array.from({ length: 7 }, (_, i) => ({ name, place: hash32(`${name}#${i}`, 0x9747b28c) })),
    );
    const first = (place: number) =>
      points.filter((point) => point.place >= place).sort((a, b) => a.place - b.place)[0] ??
      points.toSorted((a, b) => a.place - b.place)[0];
    for (const key of someKeys(2000)) assert.equal(ring.nodeOf(key), first(hash32(key))?.name);
  });

  test('ketama: as the ring of the memcached client of npm, for up to sixty servers, weights and replicas', () => {
    for (const count of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 28, 49, 60]) {
      const weightOf = (i: number) => (count % 3 === 0 ? 1 + (i % 4) : 1);
      const nodes = Array.from({ length: count }, (_, i) => ({
        name: `10.0.0.${i}:11211`,
        weight: weightOf(i),
      }));
      const ring = createRing(options('ketama'), nodes);
      const theirs = new HashRing(Object.fromEntries(nodes.map(({ name, weight }) => [name, { weight }])));
      for (const key of someKeys(100)) {
        assert.equal(ring.nodeOf(key), theirs.get(key), `${key} on ${count}`);
        assert.deepEqual(ring.nodesOf(key, 3), theirs.range(key, Math.min(3, count)));
      }
    }
  });

  test('jump: as the program of the paper, in integers of 64 bits', () => {
    function paper(key: bigint, buckets: number): number {
      let state = key;
      let bucket = -1n;
      let next = 0n;
      while (next < buckets) {
        bucket = next;
        state = BigInt.asUintN(64, state * 2862933555777941757n + 1n);
        next = BigInt(Math.floor(Number(bucket + 1n) * (2 ** 31 / Number((state >> 33n) + 1n))));
      }
      return Number(bucket);
    }
    const random = seededRandom(7);
    const word = () => Math.floor(random.fraction() * 2 ** 32);
    for (const [high, low, buckets] of [
      [0, 0, 1],
      [0, 0, 1000],
      [0xffffffff, 0xffffffff, 1000],
      [0x80000000, 0, 17],
      ...Array.from({ length: 5000 }, () => [word(), word(), 1 + Math.floor(random.fraction() ** 4 * 1e5)]),
    ] as [number, number, number][]) {
      assert.equal(jump(high, low, buckets), paper((BigInt(high) << 32n) | BigInt(low), buckets));
    }
  });

  test('maglev: as in the paper, with lists of preferences written out', () => {
    const names = ['b', 'a', 'd', 'c', 'e'];
    const entries = 251;
    const table = Array<string>(entries);
    const preferences = names.toSorted().map((name) => {
      const offset = hash32(name, 0x243f6a88) % entries;
      const skip = 1 + (hash32(name, 0xb7e15162) % (entries - 1));
      return { name, wanted: Array.from({ length: entries }, (_, i) => (offset + i * skip) % entries) };
    });
    for (let free = entries; free > 0; ) {
      for (const { name, wanted } of preferences) {
        const entry = wanted.find((each) => table[each] === undefined);
        if (entry === undefined) break;
        table[entry] = name;
        free -= 1;
      }
    }
    const ours = fillTable({ names, weights: new Uint8Array(names.length).fill(1) }, entries);
    assert.deepEqual(
      Array.from(ours, (index) => names[index]),
      table,
    );
  });

  test('rendezvous: with equal weights the logarithm changes nothing', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const light = createRing(
      options('rendezvous'),
      names.map((name) => ({ name })),
    );
    const heavy = createRing(
      options('rendezvous'),
      names.map((name) => ({ name, weight: 7 })),
    );
    // One that is never chosen among a thousand keys shows the others by logarithm.
    const mixed = createRing(options('rendezvous'), [
      ...names.map((name) => ({ name, weight: 100 })),
      { name: 'seldom', weight: 1 },
    ]);
    for (const key of someKeys(1000)) {
      assert.deepEqual(heavy.nodesOf(key, 5), light.nodesOf(key, 5));
      assert.deepEqual(
        mixed.nodesOf(key, 6).filter((name) => name !== 'seldom'),
        light.nodesOf(key, 5),
      );
    }
  });
});

describe('nodes that make no ring', () => {
  const make = (nodes: { name: string; weight?: number }[], given = {}) =>
    createRing(parseOptions(ringOptions, given), nodes);

  test('none, twice the same, impossible names and weights, too many', () => {
    assert.throws(() => make([]), { code: 'ring_without_nodes', status: 503, retryable: true });
    for (const [nodes, given, detail] of [
      [[{ name: 'a' }, { name: 'a' }], {}, /"a" is there twice/],
      [[{ name: '' }], {}, /name "" has not/],
      [[{ name: 'x'.repeat(257) }], {}, /has not 1 to 256 characters/],
      [[{ name: 'a', weight: 0 }], {}, /"a" has the weight 0/],
      [[{ name: 'a', weight: 1.5 }], {}, /"a" has the weight 1.5/],
      [[{ name: 'a', weight: 101 }], {}, /allowed is 1 to 100/],
      [Array.from({ length: 1001 }, (_, i) => ({ name: `${i}` })), {}, /1001 nodes; at most 1000/],
      [[{ name: 'a', weight: 100 }, { name: 'b' }], { virtualNodes: 10_000 }, /1010000 points/],
      [
        [100, 100, 52].map((weight, i) => ({ name: `${i}`, weight })),
        { algorithm: 'maglev', maglevEntries: 251 },
        /the weights are 252 together; at most 251/,
      ],
    ] as const) {
      assert.throws(() => make([...nodes], given), { code: 'ring_nodes_invalid', message: detail });
    }
  });
});
