/**
 * What each policy would answer of recorded requests: `npm run bench -- hitratio FILE…`, one key a line. Beside the policies
 * stand lru-cache and the best that any policy could do (Belady).
 */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { LRUCache } from 'lru-cache';
import { seededRandom } from '#base/random';
import { createGhosts, POLICIES } from '#blocks/cache';
import type { Bench } from '../bench.ts';
import { formatTraces, judge, type TraceResult } from '../reports/hitratio.ts';
import { optimalHitRatios } from './belady.ts';
import { recency, zipfWithScans } from './traces.fixture.ts';

const FILE_BYTES_MAX = 512 * 2 ** 20;
/** Of the distinct keys of a trace. */
const SIZE_SHARES = [0.01, 0.025, 0.05, 0.1, 0.25];
const REQUESTS = 400_000;

export interface Trace {
  name: string;
  keys: readonly string[];
  /** Which bar it is for. */
  kind?: 'scans' | 'recency';
  sizes?: readonly number[];
}

function readTrace(file: string): Trace {
  if (statSync(file).size > FILE_BYTES_MAX) throw new Error(`${file} is larger than ${FILE_BYTES_MAX} bytes`);
  const keys = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  if (keys.length === 0) throw new Error(`${file} holds no key`);
  return { name: basename(file), keys };
}

/** What is measured when no file is given. */
function madeTraces(requests: number): Trace[] {
  return [
    {
      name: 'Zipf 0.9 with scans',
      kind: 'scans',
      keys: zipfWithScans({ seed: 1, requests }),
      sizes: [500, 1000, 4000],
    },
    {
      name: 'recency',
      kind: 'recency',
      keys: recency({ seed: 2, requests }, 500),
      sizes: [1000, 2000, 4000],
    },
  ];
}

function lruCacheRatio(keys: readonly string[], max: number): number {
  const cache = new LRUCache<string, true>({ max });
  let hits = 0;
  for (const key of keys) {
    if (cache.get(key)) hits += 1;
    else cache.set(key, true);
  }
  return hits / keys.length;
}

function measure({ name, keys, kind, sizes: given }: Trace): TraceResult {
  const numbers = new Map<string, number>();
  const trace = keys.map((key) => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    // Small numbers in turn would lie side by side in the sketch; an odd factor spreads them, and no two become one.
    const number = Math.imul(numbers.size + 1, 0x9e3779b1);
    numbers.set(key, number);
    return number;
  });
  const distinct = numbers.size;
  const sizes = given ?? [...new Set(SIZE_SHARES.map((share) => Math.max(1, Math.round(distinct * share))))];
  const ghosts = createGhosts({ policies: POLICIES, sizes, share: 1 }, { random: seededRandom(1) });
  for (const number of trace) ghosts.requested(number);
  const ratios = ghosts.ratios(trace.length);
  const rows = POLICIES.map((policy) => ({
    policy: policy as string,
    hitRatios: ratios.filter((each) => each.policy === policy).map(({ hitRatio }) => hitRatio),
  }));
  rows.unshift({ policy: 'optimal (Belady)', hitRatios: optimalHitRatios(keys, sizes) });
  rows.push({ policy: 'lru-cache', hitRatios: sizes.map((size) => lruCacheRatio(keys, size)) });
  return { name, kind, requests: keys.length, distinct, sizes, rows };
}

export const hitratio: Bench = {
  summary:
    'ratio of hits by policy and size, of FILE… (one key a line) or of made traces, beside the optimal one',
  takesFiles: true,
  async run({ files = [], isQuick }, { say }) {
    const traces = files.length > 0 ? files.map(readTrace) : madeTraces(isQuick ? REQUESTS / 4 : REQUESTS);
    const results = traces.map((trace) => {
      say(`${trace.name}: ${trace.keys.length} requests`);
      return measure(trace);
    });
    return { bars: judge(results), data: { results }, text: formatTraces(results) };
  },
};
