/**
 * Where the primary's log was at which time, as far back as a replica may lag: what a replica has replayed tells so how old
 * its data is at most, without comparing the clocks of two machines. Pure.
 */
import { type CommitPosition, hasReached } from '#blocks/postgres';

export interface Sample {
  /** Monotonic, taken before the primary was asked. */
  atMs: number;
  position: CommitPosition;
}

export interface PrimaryPast {
  /** Samples come in order. */
  add(sample: Sample): void;
  latest(): Sample | undefined;
  /** The time of which a server that has come to `at` has everything; undefined if it is further back than is kept. */
  asOfMs(at: CommitPosition): number | undefined;
}

export function createPrimaryPast(samplesMax: number): PrimaryPast {
  let samples: Sample[] = [];
  return {
    add(sample) {
      const before = samples.at(-1);
      const isSame = before !== undefined && hasReached(before.position, sample.position);
      // A primary at rest is as it was: the same place, known for a later time.
      if (isSame) samples.pop();
      samples.push(sample);
      if (samples.length > samplesMax) samples = samples.slice(-samplesMax);
    },
    latest: () => samples.at(-1),
    asOfMs: (at) => samples.findLast(({ position }) => hasReached(at, position))?.atMs,
  };
}
