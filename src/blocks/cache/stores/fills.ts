/**
 * Which fills are under way, and which of them have been overtaken by a change.
 *
 *   none ──begin──▶ under way ──a change of its key, or of a tag that it brings──▶ void
 *                       └─────────── ended: by its value, or without one ───────────┘
 *
 * Changes are remembered only while a fill is under way that could be overtaken. Of more than are remembered all fills under way
 * are void, and of more floors than are remembered the lowest floor of all rises: both cost reads, never a stale value.
 */
import assert from 'node:assert/strict';
import type { Fill } from '../store.ts';

export interface Fills {
  begin(key: string): Fill;
  /** Whether the fill is under way, and nothing of it has changed. Ends it. */
  end(key: string, fill: Fill, tags: readonly string[]): boolean;
  keyChanged(key: string, version: number | undefined): void;
  tagChanged(tag: string, version: number | undefined): void;
  allChanged(version: number | undefined): void;
  /** The least version that a value of the key may have. */
  floor(key: string): number;
  underWay(): number;
}

export const CHANGES_MAX = 10_000;
export const FLOORS_MAX = 10_000;

/** @param fillsMax that may be under way at once: whoever fills keeps to it */
export function createFills({ fillsMax }: { fillsMax: number }): Fills {
  const open = new Set<number>();
  /** By what had begun when it changed. */
  const keys = new Map<string, number>();
  const tags = new Map<string, number>();
  const floors = new Map<string, number>();
  let floorOfAll = 0;
  let begun = 0;
  let voidUpTo = 0;

  function remember(changes: Map<string, number>, name: string): void {
    if (open.size === 0) return;
    if (changes.size >= CHANGES_MAX) {
      changes.clear();
      voidUpTo = begun;
    }
    changes.set(name, begun);
  }

  function raise(key: string, version: number | undefined): void {
    if (version === undefined || version <= (floors.get(key) ?? floorOfAll)) return;
    floors.delete(key);
    if (floors.size >= FLOORS_MAX) {
      const [oldest] = floors;
      assert(oldest !== undefined);
      floors.delete(oldest[0]);
      floorOfAll = Math.max(floorOfAll, oldest[1]);
    }
    floors.set(key, version);
  }

  function end(ticket: number): boolean {
    const wasOpen = open.delete(ticket);
    if (open.size === 0) {
      keys.clear();
      tags.clear();
    }
    return wasOpen;
  }

  return {
    begin(key) {
      assert(open.size < fillsMax, 'no more fills at once than the store was made for');
      begun += 1;
      open.add(begun);
      return { ticket: begun, atLeast: this.floor(key) };
    },
    end(key, { ticket }, tagsOf) {
      const number = ticket as number;
      const isOvertaken =
        number <= voidUpTo ||
        number <= (keys.get(key) ?? 0) ||
        tagsOf.some((tag) => number <= (tags.get(tag) ?? 0));
      return end(number) && !isOvertaken;
    },
    keyChanged(key, version) {
      remember(keys, key);
      raise(key, version);
    },
    tagChanged(tag, version) {
      remember(tags, tag);
      // Which keys have it is known of those that are kept only.
      floorOfAll = Math.max(floorOfAll, version ?? 0);
    },
    allChanged(version) {
      voidUpTo = begun;
      floorOfAll = Math.max(floorOfAll, version ?? 0);
    },
    floor: (key) => Math.max(floorOfAll, floors.get(key) ?? 0),
    underWay: () => open.size,
  };
}
