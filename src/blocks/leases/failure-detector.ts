/**
 * How long something has not changed, by one's own clock. Pure but for the clock.
 */
import type { Clock } from '#base/clock';

export interface FailureDetector {
  /** Milliseconds since `name` was first seen here with this `mark` and no other since. 0 at the first sight. */
  silentForMs(name: string, mark: string): number;
  /** Forgets all but these. */
  keep(names: ReadonlySet<string>): void;
}

/** Judges whether holders of leases live: a beat that stands still for the length of a lease is that of a dead one. */
export function createFailureDetector(clock: Clock): FailureDetector {
  const seen = new Map<string, { mark: string; sinceMs: number }>();
  return {
    silentForMs(name, mark) {
      const nowMs = clock.monotonicMs();
      const before = seen.get(name);
      if (before?.mark === mark) return nowMs - before.sinceMs;
      seen.set(name, { mark, sinceMs: nowMs });
      return 0;
    },
    keep(names) {
      for (const name of seen.keys()) if (!names.has(name)) seen.delete(name);
    },
  };
}
