/**
 * The keys that are asked for most, in little memory: Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of
 * Frequent and Top-k Elements in Data Streams", ICDT 2005). A key that is new takes the place of the least counted, and its
 * count: so a count is too high by `overBy` at most, never too low, and whoever has more than one in `keysMax` of all is there.
 */
export interface HotKey {
  key: string;
  count: number;
  /** By which `count` may be too high. */
  overBy: number;
}

export interface HotKeys {
  count(key: string): void;
  /** The most counted first. */
  top(keys: number): HotKey[];
  /** All that was counted. */
  total(): number;
}

/** Counters in groups of one count, the least first: so the least is found at once, and one more is one step. */
export function createHotKeys({ keysMax }: { keysMax: number }): HotKeys {
  const counters = new Map<string, HotKey>();
  const groups = new Map<number, Set<HotKey>>();
  let least = 0;
  let total = 0;

  function enter(counter: HotKey): void {
    const group = groups.get(counter.count);
    if (group) group.add(counter);
    else groups.set(counter.count, new Set([counter]));
  }

  function leave(counter: HotKey): void {
    const group = groups.get(counter.count);
    group?.delete(counter);
    if (group?.size === 0) groups.delete(counter.count);
  }

  function raise(counter: HotKey): void {
    leave(counter);
    counter.count += 1;
    enter(counter);
    if (least === counter.count - 1 && !groups.has(least)) least = counter.count;
  }

  /** The one counted least, that was so first, makes room. */
  function replaceLeast(key: string): void {
    const [counter] = groups.get(least) as Set<HotKey>;
    if (counter === undefined) return;
    counters.delete(counter.key);
    counter.key = key;
    counter.overBy = counter.count;
    counters.set(key, counter);
    raise(counter);
  }

  return {
    count(key) {
      total += 1;
      const known = counters.get(key);
      if (known) raise(known);
      else if (counters.size >= keysMax) replaceLeast(key);
      else {
        const counter = { key, count: 1, overBy: 0 };
        counters.set(key, counter);
        enter(counter);
        least = 1;
      }
    },
    top: (keys) =>
      [...counters.values()]
        .toSorted((a, b) => b.count - a.count)
        .slice(0, keys)
        .map((counter) => ({ ...counter })),
    total: () => total,
  };
}
