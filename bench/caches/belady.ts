/**
 * The best that any policy could do, knowing what will come: the one that is needed latest goes (Belady, "A study of replacement
 * algorithms", 1966). What would go at once is not taken in at all.
 */

/** @returns the ratio of hits, by size */
export function optimalHitRatios(trace: readonly string[], sizes: readonly number[]): number[] {
  const next = new Float64Array(trace.length).fill(Number.POSITIVE_INFINITY);
  const seen = new Map<string, number>();
  for (let at = trace.length - 1; at >= 0; at--) {
    const key = trace[at] as string;
    next[at] = seen.get(key) ?? Number.POSITIVE_INFINITY;
    seen.set(key, at);
  }
  return sizes.map((size) => hitsOf(trace, next, size) / Math.max(1, trace.length));
}

/** A heap of moments, the latest first; moments that are no longer true are left in it until they come up. */
function createLatest() {
  const heap: number[] = [];
  return {
    push(moment: number): void {
      let at = heap.push(moment) - 1;
      while (at > 0) {
        const above = (at - 1) >> 1;
        if ((heap[above] as number) >= (heap[at] as number)) break;
        [heap[above], heap[at]] = [heap[at] as number, heap[above] as number];
        at = above;
      }
    },
    pop(): number | undefined {
      const first = heap[0];
      const last = heap.pop();
      if (heap.length === 0 || last === undefined) return first;
      let at = 0;
      heap[0] = last;
      for (;;) {
        let below = 2 * at + 1;
        if (below >= heap.length) return first;
        if (below + 1 < heap.length && (heap[below + 1] as number) > (heap[below] as number)) below += 1;
        if ((heap[below] as number) <= (heap[at] as number)) return first;
        [heap[below], heap[at]] = [heap[at] as number, heap[below] as number];
        at = below;
      }
    },
  };
}

function hitsOf(trace: readonly string[], next: Float64Array, size: number): number {
  /** Of each key that is in: when it is needed next. */
  const needed = new Map<string, number>();
  const latest = createLatest();
  let hits = 0;
  for (let at = 0; at < trace.length; at++) {
    const key = trace[at] as string;
    const moment = next[at] as number;
    const isIn = needed.delete(key);
    if (isIn) hits += 1;
    // What is never needed again need not come in.
    if (moment === Number.POSITIVE_INFINITY) continue;
    needed.set(key, moment);
    latest.push(moment);
    while (needed.size > size) {
      const worst = latest.pop();
      const gone = worst === undefined ? undefined : trace[worst];
      if (gone !== undefined && needed.get(gone) === worst) needed.delete(gone);
    }
  }
  return hits;
}
