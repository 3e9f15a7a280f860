/**
 * Maglev hashing (Eisenbud et al. 2016): nodes take turns in claiming entries of a table, each in an order of its own. A
 * look-up reads one entry, and shares differ by hundredths; a change of nodes moves a few keys between those that stay.
 */
import { hash32 } from '../hash.ts';
import { type Placed, type Placement, ranksByName } from '../placement.ts';
import { createSeen } from './seen.ts';

const OFFSET_SEED = 0x243f6a88;
const SKIP_SEED = 0xb7e15162;

/** @param entries a prime, so that every step from every offset comes by all entries */
export function fillTable({ names, weights }: Placed, entries: number): Uint16Array {
  const FREE = 0xffff;
  const table = new Uint16Array(entries).fill(FREE);
  const ranks = ranksByName(names);
  const ranked = names.map((_, index) => index).sort((a, b) => ranks[a]! - ranks[b]!);
  const steps = Uint32Array.from(names, (name) => 1 + (hash32(name, SKIP_SEED) % (entries - 1)));
  const next = Uint32Array.from(names, (name) => hash32(name, OFFSET_SEED) % entries);
  const heaviest = Math.max(...weights);
  /** What each is owed, in turns of the heaviest. */
  const owed = new Uint32Array(names.length);
  let free = entries;
  function claim(node: number): void {
    while (table[next[node]!] !== FREE) next[node] = (next[node]! + steps[node]!) % entries;
    table[next[node]!] = node;
    free -= 1;
  }
  while (free > 0) {
    for (const node of ranked) {
      owed[node] = owed[node]! + weights[node]!;
      if (owed[node]! < heaviest) continue;
      owed[node] = owed[node]! - heaviest;
      if (free > 0) claim(node);
    }
  }
  return table;
}

export function createMaglev(placed: Placed, entries: number): Placement {
  const table = fillTable(placed, entries);
  const nodes = placed.names.length;
  // Exact, since entries are far below 2²⁰. A remainder takes a quarter longer.
  const scale = entries / 2 ** 32;
  const entryOf = (key: string) => Math.floor(hash32(key) * scale);
  const seen = createSeen(nodes);
  return {
    indexOf: (key) => table[entryOf(key)]!,
    fillReplicas(key, into) {
      const wanted = Math.min(into.length, nodes);
      let found = 0;
      seen.begin();
      for (let at = entryOf(key); found < wanted; at = at === entries - 1 ? 0 : at + 1) {
        const node = table[at]!;
        if (seen.meet(node)) into[found++] = node;
      }
      return wanted;
    },
  };
}
