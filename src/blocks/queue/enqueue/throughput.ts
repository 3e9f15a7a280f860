/**
 * How fast the workers of each queue end its jobs: over the last ten seconds, because a queue of long jobs ends none in
 * most seconds; but no longer than since it was last empty, because what it did then says nothing about what waits now.
 */
import type { QueueCount, QueueMeasure } from '../store.ts';

const WINDOW_MS = 10_000;

interface Stretch {
  ms: number;
  ended: number;
}

interface Followed {
  /** By worker, since it began. */
  ended: ReadonlyMap<string, number>;
  isEmpty: boolean;
  stretches: readonly Stretch[];
}

export interface Throughput {
  /** The measures that follow from the counts and those before. */
  follow(counts: readonly QueueCount[], nowMs: number): QueueMeasure[];
  /** Another process has counted meanwhile: what comes next is not compared with what was. */
  forget(): void;
}

function endedSince(now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): number {
  let ended = 0;
  // Of a worker that was not there before it is not known when it has ended what.
  for (const [worker, total] of now) ended += Math.max(0, total - (before.get(worker) ?? total));
  return ended;
}

/** The newest first, as many as make up the window. */
function recent(stretches: readonly Stretch[]): Stretch[] {
  let ms = 0;
  return stretches.filter((stretch) => {
    ms += stretch.ms;
    return ms - stretch.ms < WINDOW_MS;
  });
}

function perS(stretches: readonly Stretch[]): number {
  const ms = stretches.reduce((sum, stretch) => sum + stretch.ms, 0);
  return ms > 0 ? (stretches.reduce((sum, { ended }) => sum + ended, 0) / ms) * 1000 : 0;
}

export function createThroughput(): Throughput {
  let followed = new Map<string, Followed>();
  let lastMs: number | undefined;

  function followOne({ queue, ended, waiting, running }: QueueCount, ms: number): Followed {
    const isEmpty = waiting === 0 && running === 0;
    const before = followed.get(queue);
    if (!before || ms <= 0) return { ended, isEmpty, stretches: [] };
    const stretch = { ms, ended: endedSince(ended, before.ended) };
    return { ended, isEmpty, stretches: recent([stretch, ...(before.isEmpty ? [] : before.stretches)]) };
  }

  return {
    follow(counts, nowMs) {
      const ms = lastMs === undefined ? 0 : nowMs - lastMs;
      lastMs = nowMs;
      followed = new Map(counts.map((count) => [count.queue, followOne(count, ms)]));
      return counts.map(({ ended, ...count }) => ({
        ...count,
        workers: ended.size,
        endedPerS: perS(followed.get(count.queue)?.stretches ?? []),
        measuredMs: nowMs,
      }));
    },
    forget() {
      followed = new Map();
      lastMs = undefined;
    },
  };
}
