/**
 * How many calls there were, and how many of them failed, in about the last `windowMs`: in ten parts, the oldest of which
 * is dropped as a whole. Ten pairs of numbers, however many calls.
 */
export interface OutcomeWindow {
  add(isFailure: boolean, nowMs: number): void;
  calls(nowMs: number): number;
  failures(nowMs: number): number;
  clear(): void;
}

const PARTS = 10;

export function createOutcomeWindow(windowMs: number): OutcomeWindow {
  const partMs = windowMs / PARTS;
  const calls = new Float64Array(PARTS);
  const failures = new Float64Array(PARTS);
  /** Of each place, which part of time is in it. */
  const parts = new Float64Array(PARTS).fill(Number.NEGATIVE_INFINITY);

  const partOf = (nowMs: number) => Math.floor(nowMs / partMs);

  function sum(counts: Float64Array, nowMs: number): number {
    const oldest = partOf(nowMs) - PARTS;
    let total = 0;
    for (let place = 0; place < PARTS; place++) if (parts[place]! > oldest) total += counts[place]!;
    return total;
  }

  return {
    add(isFailure, nowMs) {
      const part = partOf(nowMs);
      const place = part % PARTS;
      if (parts[place] !== part) {
        parts[place] = part;
        calls[place] = 0;
        failures[place] = 0;
      }
      calls[place] = calls[place]! + 1;
      if (isFailure) failures[place] = failures[place]! + 1;
    },
    calls: (nowMs) => sum(calls, nowMs),
    failures: (nowMs) => sum(failures, nowMs),
    clear: () => parts.fill(Number.NEGATIVE_INFINITY),
  };
}
