/**
 * What a queue is: declared by the system that enqueues into it, and the same in every process.
 */
import assert from 'node:assert/strict';
import type { QueueOptions } from './options.ts';

export interface PerKey {
  /** Jobs of one concurrency key that run at once, over all workers. */
  concurrency?: number;
  /** Starts of jobs of one concurrency key: on average `count` in `perMs`, and at most so many at once. */
  rate?: { count: number; perMs: number };
}

/** What happens to an enqueue when as many jobs wait as may. README.md says what each promises. */
export type WhenFull = 'reject' | 'block' | 'drop';

export interface QueueDefinition {
  /** Lower-case letters, digits and `_`. */
  name: string;
  /** Default of its jobs: `queue.attemptsMax`. */
  attemptsMax?: number;
  timeoutMs?: number;
  /** An attempt has failed that gives no heartbeat for so long. Default: none is asked for. */
  heartbeatMs?: number;
  backoffBaseMs?: number;
  backoffMaxMs?: number;
  waitingMax?: number;
  /** Default: reject. `drop` throws away work: only for work that is worth nothing when it is late. */
  whenFull?: WhenFull;
  blockMsMax?: number;
  perKey?: PerKey;
  /** A sentence for whoever is about to discard its jobs: what becomes of what they were for. */
  whenDrained?: string;
}

/** With every default filled in. */
export interface Definition extends Required<Omit<QueueDefinition, 'perKey' | 'whenDrained'>> {
  perKey: PerKey | undefined;
  whenDrained?: string;
}

const COUNT_MAX = 1_000_000_000;

function assertCount(value: number | undefined, what: string): void {
  if (value === undefined) return;
  assert(
    Number.isInteger(value) && value >= 1 && value <= COUNT_MAX,
    `${what} is 1 to ${COUNT_MAX}: ${value}`,
  );
}

function assertPerKey(name: string, perKey: PerKey | undefined): void {
  if (!perKey) return;
  assert(
    perKey.concurrency !== undefined || perKey.rate,
    `${name}: perKey limits concurrency, a rate, or both`,
  );
  assertCount(perKey.concurrency, `${name}: perKey.concurrency`);
  assertCount(perKey.rate?.count, `${name}: perKey.rate.count`);
  if (perKey.rate) {
    const { perMs } = perKey.rate;
    assert(
      Number.isInteger(perMs) && perMs >= 1,
      `${name}: perKey.rate.perMs is a whole number of milliseconds`,
    );
  }
}

/** Checks a definition, which is the program's own, and fills in what it leaves to the options. */
export function completeDefinition(definition: QueueDefinition, options: QueueOptions): Definition {
  const { name } = definition;
  assert.match(name, /^[a-z][a-z0-9_]{0,62}$/, `not the name of a queue: ${name}`);
  assertPerKey(name, definition.perKey);
  const { attemptsMax, timeoutMs, backoffBaseMs, backoffMaxMs, waitingMax, blockMsMax } = options;
  const defaults = { attemptsMax, timeoutMs, backoffBaseMs, backoffMaxMs, waitingMax, blockMsMax };
  const complete = {
    ...defaults,
    whenFull: 'reject',
    heartbeatMs: Number.POSITIVE_INFINITY,
    ...definition,
    perKey: definition.perKey,
  } as const;
  assertCount(complete.waitingMax, `${name}: waitingMax`);
  assertCount(definition.heartbeatMs, `${name}: heartbeatMs`);
  return Object.freeze(complete);
}
