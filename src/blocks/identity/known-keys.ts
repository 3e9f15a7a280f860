/**
 * What this process remembers of keys, by their hash: whose they are, and that some are nobody's. Both are bounded; what
 * is past the bound is forgotten, the oldest first, and asked for anew.
 */
import type { Clock } from '#base/clock';
import type { Principal } from './principal.ts';

export interface KnownKey {
  principal: Principal;
  /** On the monotonic clock: when the database last said so. */
  verifiedMs: number;
}

export interface KnownKeys {
  known(id: string): KnownKey | undefined;
  keep(id: string, principal: Principal): void;
  /** It is nobody's, or no more. */
  refuse(id: string): void;
  /** Whether the database has said so within the last `unknownMs`. */
  isUnknown(id: string): boolean;
  clear(): void;
}

export interface KnownKeysOptions {
  knownMax: number;
  unknownMax: number;
  unknownMs: number;
}

function put<T>(map: Map<string, T>, id: string, value: T, max: number): void {
  map.delete(id);
  if (map.size >= max) map.delete(map.keys().next().value ?? '');
  map.set(id, value);
}

export function createKnownKeys(
  { knownMax, unknownMax, unknownMs }: KnownKeysOptions,
  { clock }: { clock: Clock },
): KnownKeys {
  const known = new Map<string, KnownKey>();
  /** When the database said so. */
  const unknown = new Map<string, number>();
  return {
    known: (id) => known.get(id),
    keep(id, principal) {
      unknown.delete(id);
      put(known, id, { principal, verifiedMs: clock.monotonicMs() }, knownMax);
    },
    refuse(id) {
      known.delete(id);
      put(unknown, id, clock.monotonicMs(), unknownMax);
    },
    isUnknown(id) {
      const saidMs = unknown.get(id);
      if (saidMs === undefined) return false;
      if (clock.monotonicMs() - saidMs < unknownMs) return true;
      unknown.delete(id);
      return false;
    },
    clear() {
      known.clear();
      unknown.clear();
    },
  };
}
