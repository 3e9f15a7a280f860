/**
 * Placing keys on ten nodes of 160 points each: how long a look-up takes, how even the shares are, and how many keys move
 * when a node comes or goes, against two packages of npm.
 */
import { createRequire } from 'node:module';
import HashRing from 'hashring';
import { parseOptions } from '#base/options';
import { createRing, type RingAlgorithm, ringOptions } from '#blocks/ring';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { formatRing, judge, type Placing, type Round, type Subject } from './reports/ring.ts';

const KEYS = 100_000;
const NODES = 10;
const POINTS = 160;
/** So many look-ups between two readings of the clock. */
const BATCH = 10_000;

const keys = Array.from({ length: KEYS }, (_, i) => `user:${i}:session`);
const named = (count: number) => Array.from({ length: count }, (_, i) => `10.0.0.${i}:11211`);

interface ConsistentHash {
  add(node: string, points: number): ConsistentHash;
  get(key: string): string;
}
// It has no types.
const createConsistentHash = createRequire(import.meta.url)('consistent-hash') as new () => ConsistentHash;

type Locate = (key: string) => string;

interface Candidate {
  name: Subject;
  /** Only the last node may go. */
  isGrowOnly?: boolean;
  make(nodes: readonly string[]): Locate;
}

function createOwn(algorithm: RingAlgorithm): Candidate {
  return {
    name: algorithm,
    isGrowOnly: algorithm === 'jump',
    make: (nodes) =>
      createRing(
        parseOptions(ringOptions, { algorithm }),
        nodes.map((name) => ({ name })),
      ).nodeOf,
  };
}

/** Its cache of 5,000 keys is taken from it: what is measured is the placement. */
function makeHashRing(nodes: readonly string[]): Locate {
  const ring = new HashRing([...nodes]);
  Object.assign(ring, { cache: { get: () => undefined, set: () => undefined } });
  return (key) => ring.get(key);
}

/** It draws its points at random: those of a node are kept, so that a node that comes back has them again. */
function createConsistentHashCandidate(): Candidate {
  const drawn = new Map<string, number[]>();
  return {
    name: 'consistent-hash',
    make(nodes) {
      const ring = new createConsistentHash() as ConsistentHash & {
        add(node: string, points: number, places?: number[]): unknown;
        getPoints(node: string): number[];
      };
      for (const node of nodes) {
        ring.add(node, POINTS, drawn.get(node));
        drawn.set(node, [...ring.getPoints(node)]);
      }
      return (key) => ring.get(key);
    },
  };
}

const candidates: readonly Candidate[] = [
  createOwn('ring'),
  createOwn('ketama'),
  createOwn('jump'),
  createOwn('maglev'),
  createOwn('rendezvous'),
  { name: 'hashring', make: makeHashRing },
  createConsistentHashCandidate(),
];

/** A loop of its own for each subject, so that none is measured with what the engine has learnt of another. */
function createLoop(locate: Locate): () => number {
  const source = `let at = 0; return () => { let length = 0; for (let i = 0; i < ${BATCH}; i++) {
    length += locate(keys[at]).length; at = at + 1 === keys.length ? 0 : at + 1; } return length; };`;
  return new Function('locate', 'keys', source)(locate, keys) as () => number;
}

/** @returns nanoseconds for each look-up */
function measure(loop: () => number, seconds: number): number {
  const startedMs = performance.now();
  const untilMs = startedMs + seconds * 1000;
  let batches = 0;
  let length = 0;
  while (performance.now() < untilMs) {
    length += loop();
    batches += 1;
  }
  if (length === 0) throw new Error('nothing was found');
  return ((performance.now() - startedMs) * 1e6) / (batches * BATCH);
}

function countMoved(before: readonly string[], locate: Locate): number {
  return keys.reduce((moved, key, i) => moved + (locate(key) === before[i] ? 0 : 1), 0);
}

/** Shares of ten nodes; then one more, and each of the ten less, one at a time. */
function inspect({ make, isGrowOnly = false }: Candidate): Placing {
  const nodes = named(NODES);
  const startedMs = performance.now();
  const locate = make(nodes);
  const builtMs = performance.now() - startedMs;
  const found = keys.map(locate);
  const counts = new Map(nodes.map((node) => [node, 0]));
  for (const node of found) counts.set(node, (counts.get(node) ?? 0) + 1);
  const gone = isGrowOnly ? nodes.slice(-1) : nodes;
  return {
    builtMs,
    spread: Math.max(...counts.values()) / (KEYS / NODES),
    movedByOneMore: countMoved(found, make(named(NODES + 1))) / (KEYS / (NODES + 1)),
    movedByOneLess: gone.map(
      (name) => countMoved(found, make(nodes.filter((node) => node !== name))) / (KEYS / NODES),
    ),
  };
}

async function run({ rounds: count, seconds }: BenchOptions, { say }: Workplace) {
  const placings = Object.fromEntries(candidates.map((each) => [each.name, inspect(each)]));
  const loops = candidates.map(({ name, make }) => ({ name, loop: createLoop(make(named(NODES))) }));
  for (const { loop } of loops) measure(loop, Math.min(seconds, 1) / 2);
  const rounds: Round[] = [];
  for (let number = 0; number < count; number++) {
    const first = number % loops.length;
    const round: Round = {};
    for (const { name, loop } of [...loops.slice(first), ...loops.slice(0, first)]) {
      round[name] = measure(loop, seconds);
      // Whoever has interrupted the bench is heard.
      await new Promise((resolve) => setImmediate(resolve));
    }
    rounds.push(round);
    say(
      `round ${number + 1}  ${loops.map(({ name }) => `${name} ${round[name]?.toFixed(0)}`).join('  ')} ns`,
    );
  }
  return {
    bars: judge(rounds, placings),
    data: { keys: KEYS, nodes: NODES, pointsPerNode: POINTS, rounds, placings },
    text: formatRing(rounds, placings),
  };
}

export const ring: Bench = {
  summary: 'placing keys on nodes against hashring and consistent-hash; bars: 30 and 2 times, moved keys',
  seconds: 1,
  run,
};
