/**
 * How many jobs a worker should have in flight. Enough that it never waits for the database, which takes a few
 * milliseconds a turn; few enough that jobs do not lie with one worker while another has nothing to do, or count an
 * attempt when it dies. So: what it runs, and what it runs in the next `AHEAD_MS`. Where a job takes a second, that is
 * none; where it takes 10 µs, some thousand.
 */

const AHEAD_MS = 50;
/** Over what time the rate is averaged: a turn that comes a second after the last says nearly all. */
const AVERAGE_MS = 20;
/** How much of their average the payloads of the latest turn make up. */
const WEIGHT = 0.3;
/** Payloads taken in one turn, in characters of JSON. */
const CLAIM_LENGTH_MAX = 4 * 1024 * 1024;

export interface Prefetch {
  /** Before each call: how many jobs have ended since the last one. */
  turned(nowMs: number, ended: number): void;
  /** After it: how many jobs it has taken, and how long their payloads are together. */
  weighed(jobs: number, length: number): void;
  /** How many jobs to have in flight. */
  target(): number;
  /** Upper bound of what to take at once. */
  takeMax(): number;
}

export function createPrefetch({
  concurrency,
  prefetchMax,
}: {
  concurrency: number;
  prefetchMax: number;
}): Prefetch {
  let lastMs: number | undefined;
  let perMs = 0;
  let lengthOfJob = 1;

  return {
    turned(nowMs, ended) {
      const elapsedMs = Math.max(0.5, nowMs - (lastMs ?? nowMs));
      lastMs = nowMs;
      perMs += (elapsedMs / (elapsedMs + AVERAGE_MS)) * (ended / elapsedMs - perMs);
    },
    weighed(jobs, length) {
      if (jobs > 0) lengthOfJob = Math.max(1, lengthOfJob + WEIGHT * (length / jobs - lengthOfJob));
    },
    target: () => concurrency + Math.min(prefetchMax, Math.floor(perMs * AHEAD_MS)),
    takeMax: () => Math.max(1, Math.floor(CLAIM_LENGTH_MAX / lengthOfJob)),
  };
}
