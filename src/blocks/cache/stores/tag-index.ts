/**
 * Which entries have a tag. It is as large as what is kept: a tag without entries is not remembered.
 */
export interface TagIndex {
  set(slot: number, tags: readonly string[] | undefined): void;
  drop(slot: number): void;
  /** A copy. */
  slots(tag: string): readonly number[];
  clear(): void;
  size(): number;
}

const NONE: readonly number[] = [];

/** @returns an empty index */
export function createTagIndex(): TagIndex {
  const tagsOf = new Map<number, readonly string[]>();
  const slotsOf = new Map<string, Set<number>>();

  function drop(slot: number): void {
    for (const tag of tagsOf.get(slot) ?? []) {
      const slots = slotsOf.get(tag);
      slots?.delete(slot);
      if (slots?.size === 0) slotsOf.delete(tag);
    }
    tagsOf.delete(slot);
  }

  return {
    set(slot, tags) {
      if (tagsOf.size > 0) drop(slot);
      if (tags === undefined || tags.length === 0) return;
      tagsOf.set(slot, tags);
      for (const tag of tags) {
        const slots = slotsOf.get(tag);
        if (slots === undefined) slotsOf.set(tag, new Set([slot]));
        else slots.add(slot);
      }
    },
    drop(slot) {
      if (tagsOf.size > 0) drop(slot);
    },
    slots(tag) {
      const slots = slotsOf.get(tag);
      return slots === undefined ? NONE : [...slots];
    },
    clear() {
      tagsOf.clear();
      slotsOf.clear();
    },
    size: () => slotsOf.size,
  };
}
