/**
 * What to change about a cache, from what its ghosts have seen: pure.
 */

import type { PolicyName } from '../policy-names.ts';
import type { GhostRatio } from './ghosts.ts';

export interface CacheAdvice {
  policy: PolicyName;
  entriesMax: number;
  hitRatio: number;
  /** One sentence for people. */
  reason: string;
}

export interface AdviseOptions {
  current: { policy: PolicyName; entriesMax: number };
  /** A change must bring as much to be advised. */
  gainMin: number;
  /** Fewer requests tell nothing. */
  requestsMin: number;
}

const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`;

/**
 * The smallest cache that is within `gainMin` of the best that was tried; the one there is, unless another is better, or smaller
 * and as good. Undefined while too little was seen, or when the current one was not among those tried.
 */
export function adviseCache(
  ratios: readonly GhostRatio[],
  { current, gainMin, requestsMin }: AdviseOptions,
): CacheAdvice | undefined {
  const own = ratios.find(
    ({ policy, entriesMax }) => policy === current.policy && entriesMax === current.entriesMax,
  );
  if (own === undefined || ratios.some(({ requests }) => requests < requestsMin)) return undefined;
  const best = Math.max(...ratios.map(({ hitRatio }) => hitRatio));
  const goodEnough = ratios
    .filter(({ hitRatio }) => hitRatio > best - gainMin)
    .toSorted((a, b) => a.entriesMax - b.entriesMax || b.hitRatio - a.hitRatio);
  const [smallest] = goodEnough;
  if (smallest === undefined) return undefined;
  const isOwnGoodEnough = goodEnough.includes(own) && own.entriesMax === smallest.entriesMax;
  const { policy, entriesMax, hitRatio } = isOwnGoodEnough ? own : smallest;
  const change = isOwnGoodEnough
    ? `no other size or policy that was tried gives ${percent(gainMin)} more, and no smaller one as much`
    : `${policy} with ${entriesMax} entries would answer ${percent(hitRatio)} of the requests, in place of ${percent(own.hitRatio)}`;
  return { policy, entriesMax, hitRatio, reason: change };
}
