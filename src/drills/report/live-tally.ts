/**
 * What has become of the requests of a load lately, in slices that are counted and then forgotten: as much memory for a
 * long drill as for a short one. Pure.
 */

/** `notSent`: for want of a connection, or since the generator was late. */
export type EndedAs = 'ok' | 'refused' | 'unknown' | 'notSent';

export interface Ended {
  outcome: EndedAs;
  /** From the load's beginning. */
  intendedAtMs: number;
  endedAtMs: number;
}

export interface Rates {
  sent: number;
  ok: number;
  refused: number;
  unknown: number;
  notSent: number;
  /** Of what was answered well; undefined where nothing was. */
  latencyP99Ms: number | undefined;
}

export interface Tally {
  add(ended: Ended): void;
  /** What has ended in the last full slices that make a second. */
  lastSecond(nowMs: number): Rates;
  /** The last of the slices, oldest first, by when requests ended. */
  slices(nowMs: number): { ok: number; failed: number }[];
}

const SLICE_MS = 250;
const SLICES = 60;
/** With the slice that is passing, which is not full yet and not shown. */
const RING = SLICES + 1;
const SECOND_MS = 1000;
/** Latencies kept of a slice; of more, every other one is as good. */
const LATENCIES_MAX = 4096;

interface Slice {
  at: number;
  ok: number;
  refused: number;
  unknown: number;
  notSent: number;
  latenciesMs: number[];
}

export function createTally(): Tally {
  const ring: Slice[] = [];

  function sliceAt(at: number): Slice {
    const place = at % RING;
    const slice = ring[place];
    if (slice?.at === at) return slice;
    const fresh = { at, ok: 0, refused: 0, unknown: 0, notSent: 0, latenciesMs: [] };
    ring[place] = fresh;
    return fresh;
  }

  /** The last that have passed, oldest first; one without a request is all zero. */
  function last(countMax: number, nowMs: number): Slice[] {
    const until = Math.floor(nowMs / SLICE_MS);
    const count = Math.min(countMax, until);
    return Array.from({ length: count }, (_, back) => {
      const at = until - count + back;
      const slice = ring[at % RING];
      return slice?.at === at ? slice : { at, ok: 0, refused: 0, unknown: 0, notSent: 0, latenciesMs: [] };
    });
  }

  return {
    add({ outcome, intendedAtMs, endedAtMs }) {
      const slice = sliceAt(Math.max(0, Math.floor(endedAtMs / SLICE_MS)));
      slice[outcome] += 1;
      if (outcome === 'ok' && slice.latenciesMs.length < LATENCIES_MAX) {
        slice.latenciesMs.push(endedAtMs - intendedAtMs);
      }
    },
    lastSecond(nowMs) {
      const whole = last(SECOND_MS / SLICE_MS, nowMs);
      const sum = (field: EndedAs) => whole.reduce((count, slice) => count + slice[field], 0);
      const [ok, refused, unknown, notSent] = [sum('ok'), sum('refused'), sum('unknown'), sum('notSent')];
      const latencies = whole.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b);
      return {
        ...{ sent: ok + refused + unknown, ok, refused, unknown, notSent },
        latencyP99Ms: latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * 0.99))],
      };
    },
    slices: (nowMs) =>
      last(SLICES, nowMs).map(({ ok, refused, unknown, notSent }) => ({
        ok,
        failed: refused + unknown + notSent,
      })),
  };
}
