/**
 * Latencies in buckets that grow with them, so that any number of them takes the same memory (as HdrHistogram does).
 */

/** 64 buckets to each doubling: a value read back is at most 1/128 away from what was recorded. */
const STEPS = 64;
const STEPS_BITS = 6;
/** In units of a microsecond: some 36 minutes. What is longer counts as this. */
const UNITS_MAX = 2 ** 31 - 1;
const UNITS_PER_MS = 1000;
const BUCKETS = STEPS * (31 - STEPS_BITS + 1);

/** What a value that is read back may be off by, as a share of it; besides half a microsecond. */
export const HISTOGRAM_ERROR_MAX = 1 / (2 * STEPS);

/** What was recorded, to be read. Without values, all are 0. */
export interface LatencyHistogram {
  readonly count: number;
  readonly meanMs: number;
  /** Exact. */
  readonly maxMs: number;
  /** The value that a share of all (0 to 1) does not exceed. */
  atMs(share: number): number;
  /** Which share of all was at most this long; between two buckets, of the lower one. */
  shareWithin(ms: number): number;
}

export interface Histogram extends LatencyHistogram {
  /** Negative ones count as 0. */
  record(ms: number): void;
  add(other: Histogram): void;
  /** How many there are in each bucket. */
  readonly counts: Float64Array;
  readonly sumMs: number;
}

/** Below 64 a bucket for each unit, then 64 for each doubling. */
function bucketOf(units: number): number {
  if (units < STEPS) return units;
  const shift = 31 - Math.clz32(units) - STEPS_BITS;
  return STEPS * shift + (units >>> shift);
}

/** The middle of a bucket, in milliseconds. */
function middleMs(bucket: number): number {
  if (bucket < STEPS) return bucket / UNITS_PER_MS;
  const shift = Math.floor(bucket / STEPS) - 1;
  const lowest = (bucket - STEPS * shift) * 2 ** shift;
  return (lowest + (2 ** shift - 1) / 2) / UNITS_PER_MS;
}

function toUnits(ms: number): number {
  const units = Math.round(ms * UNITS_PER_MS);
  return units > 0 ? Math.min(units, UNITS_MAX) : 0;
}

/** An empty histogram of latencies from a microsecond to half an hour. */
export function createHistogram(): Histogram {
  const counts = new Float64Array(BUCKETS);
  let count = 0;
  let sumMs = 0;
  let maxMs = 0;

  return {
    counts,
    get count() {
      return count;
    },
    get sumMs() {
      return sumMs;
    },
    get meanMs() {
      return count === 0 ? 0 : sumMs / count;
    },
    get maxMs() {
      return maxMs;
    },
    record(ms) {
      const bucket = bucketOf(toUnits(ms));
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      count += 1;
      if (ms > 0) sumMs += ms;
      if (ms > maxMs) maxMs = ms;
    },
    add(other) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        counts[bucket] = (counts[bucket] ?? 0) + (other.counts[bucket] ?? 0);
      }
      count += other.count;
      sumMs += other.sumMs;
      maxMs = Math.max(maxMs, other.maxMs);
    },
    atMs(share) {
      const wanted = Math.max(1, Math.ceil(share * count));
      if (count === 0) return 0;
      if (wanted >= count) return maxMs;
      let seen = 0;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        seen += counts[bucket] ?? 0;
        if (seen >= wanted) return Math.min(middleMs(bucket), maxMs);
      }
      return maxMs;
    },
    shareWithin(ms) {
      if (count === 0) return 0;
      const last = bucketOf(toUnits(ms));
      let seen = 0;
      for (let bucket = 0; bucket <= last; bucket++) seen += counts[bucket] ?? 0;
      return seen / count;
    },
  };
}
