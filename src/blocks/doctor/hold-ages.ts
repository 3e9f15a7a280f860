/**
 * How long a hold can have lasted, from what was seen at earlier looks. Postgres tells when a transaction began, not when
 * its snapshot was taken: a long transaction that takes a new snapshot with each statement holds nothing back for long.
 * And of slots in use, and of sessions whose details are hidden, it tells nothing: those are as old as we have seen them.
 */
import type { Clock } from '#base/clock';
import { holderKey, type XminHolder } from './holders.ts';

interface Seen {
  xid: string;
  isWriting: boolean;
  /** By our own clock, not before this; unknown at the first look. */
  sinceMs: number | undefined;
  lookedMs: number;
}

export interface HoldAges {
  /** The holders of one look with their ages corrected; each look remembers its own holders only. */
  correct(holders: readonly XminHolder[]): XminHolder[];
}

/** Remembers the holders of the last look, which are bounded in number. */
export function createHoldAges(clock: Clock): HoldAges {
  let seen = new Map<string, Seen>();

  function sinceOf(holder: XminHolder, nowMs: number): number | undefined {
    const before = seen.get(holderKey(holder));
    if (before && before.xid !== holder.xid) {
      // The id that holds now may have been there already, behind an older snapshot.
      const isKnown = holder.ageMs !== undefined && before.isWriting;
      return isKnown ? before.sinceMs : before.lookedMs;
    }
    if (holder.ageMs !== undefined) return before?.sinceMs;
    // In a database where nothing is written each new snapshot has the same horizon, and holds nothing back.
    return holder.ageTransactions === 0 ? nowMs : (before?.sinceMs ?? nowMs);
  }

  return {
    correct(holders) {
      const nowMs = clock.monotonicMs();
      const next = new Map<string, Seen>();
      const corrected = holders.map((holder) => {
        const sinceMs = sinceOf(holder, nowMs);
        next.set(holderKey(holder), {
          xid: holder.xid,
          isWriting: holder.isWriting,
          sinceMs,
          lookedMs: nowMs,
        });
        if (sinceMs === undefined) return holder;
        return { ...holder, ageMs: Math.min(holder.ageMs ?? Number.POSITIVE_INFINITY, nowMs - sinceMs) };
      });
      seen = next;
      return corrected;
    },
  };
}
