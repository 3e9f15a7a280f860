/**
 * The policies by their names.
 */
import type { Random } from '#base/random';
import { createFifo } from './policies/fifo.ts';
import { createLfu } from './policies/lfu.ts';
import { createLifo } from './policies/lifo.ts';
import { createLru } from './policies/lru.ts';
import { createMru } from './policies/mru.ts';
import type { Policy } from './policies/policy.ts';
import { createRandomPolicy } from './policies/random.ts';
import { createSieve } from './policies/sieve.ts';
import { createTtlPolicy } from './policies/ttl.ts';
import { createWindowTinyLfu } from './policies/window-tiny-lfu.ts';

export const POLICIES = [
  'window-tiny-lfu',
  'sieve',
  'lru',
  'lfu',
  'fifo',
  'lifo',
  'mru',
  'random',
  'ttl',
] as const;

export type PolicyName = (typeof POLICIES)[number];

const MAKERS: Record<PolicyName, (random: Random) => Policy> = {
  'window-tiny-lfu': createWindowTinyLfu,
  sieve: createSieve,
  lru: createLru,
  lfu: createLfu,
  fifo: createFifo,
  lifo: createLifo,
  mru: createMru,
  random: (random) => createRandomPolicy({ random }),
  ttl: createTtlPolicy,
};

/** Of these alone are hashes asked; to hash a key takes longer than to find it. */
export const NEEDS_HASHES: ReadonlySet<PolicyName> = new Set(['window-tiny-lfu'] as const);

/** An empty policy of this name. */
export function createPolicy(name: PolicyName, random: Random): Policy {
  return MAKERS[name](random);
}
