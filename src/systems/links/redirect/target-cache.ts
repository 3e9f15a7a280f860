/**
 * Redirect targets in memory: bounded, second-chance eviction (CLOCK, Corbató 1968), which approximates LRU and makes
 * a hit one look-up and one flag, where a true LRU moves an entry at each hit. One fill per code at a time; a fill that
 * began before a change of its code is used once and not kept.
 */
import type { Clock } from '#base/clock';

export interface CachedTarget {
  url: string;
  redirectStatus: number;
  expiresAtMs: number | null;
}

interface Entry {
  target: CachedTarget;
  filledMs: number;
  /** By the clock that nobody sets. */
  filledMonotonicMs: number;
  usedSinceSweep: boolean;
}

export interface TargetCache {
  /**
   * The target, if it was filled less than `ttlMs` ago.
   * @param nowMs wall-clock time, which the caller has read anyway: reading a second clock costs a hit one per cent
   */
  fresh(code: string, nowMs: number): CachedTarget | undefined;
  /** The target, if it was filled less than `staleMsMax` ago. */
  stale(code: string): CachedTarget | undefined;
  /** A fill begins; give the ticket to `keep`. */
  begin(code: string): number;
  keep(code: string, ticket: number, target: CachedTarget | undefined): void;
  /** The code's target has changed: what is kept, and what fills under way will bring, is void. */
  forget(code: string): void;
  /** The same for all codes. */
  forgetAll(): void;
  size(): number;
}

/** Codes changed while fills are under way; past this many, all of those fills go unkept. */
const CHANGED_MAX = 10_000;

export function createTargetCache(
  options: { entriesMax: number; ttlMs: number; staleMsMax: number },
  deps: { clock: Clock },
): TargetCache {
  const { clock } = deps;
  const entries = new Map<string, Entry>();
  /** The ticket at which a code last changed. */
  const changes = new Map<string, number>();
  let ticket = 0;
  let voidBefore = 0;

  function evictOne(): void {
    for (const [code, entry] of entries) {
      entries.delete(code);
      if (!entry.usedSinceSweep) return;
      entry.usedSinceSweep = false;
      entries.set(code, entry);
    }
  }

  return {
    fresh(code, nowMs) {
      const entry = entries.get(code);
      if (entry === undefined) return undefined;
      // Below zero the clock has been set back: how old the entry is can no longer be told.
      const ageMs = nowMs - entry.filledMs;
      if (ageMs < 0 || ageMs >= options.ttlMs) return undefined;
      entry.usedSinceSweep = true;
      return entry.target;
    },
    stale(code) {
      const entry = entries.get(code);
      if (entry === undefined) return undefined;
      // Each clock alone would say too little: one may have been set back, the other stands still while a machine sleeps.
      const ageMs = Math.max(clock.nowMs() - entry.filledMs, clock.monotonicMs() - entry.filledMonotonicMs);
      if (ageMs >= options.staleMsMax) return undefined;
      return entry.target;
    },
    begin() {
      ticket += 1;
      return ticket;
    },
    keep(code, began, target) {
      if (began < voidBefore || began <= (changes.get(code) ?? 0)) return;
      entries.delete(code);
      if (target === undefined) return;
      while (entries.size >= options.entriesMax) evictOne();
      entries.set(code, {
        target,
        filledMs: clock.nowMs(),
        filledMonotonicMs: clock.monotonicMs(),
        usedSinceSweep: false,
      });
    },
    forget(code) {
      entries.delete(code);
      if (changes.size >= CHANGED_MAX) {
        changes.clear();
        voidBefore = ticket + 1;
      }
      changes.set(code, ticket);
    },
    forgetAll() {
      entries.clear();
      changes.clear();
      voidBefore = ticket + 1;
    },
    size: () => entries.size,
  };
}
