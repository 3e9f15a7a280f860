/**
 * What a load has come to so far.
 */
import type { Passage } from './connection.ts';
import { createHistogram } from './histogram.ts';
import type { LoadOutcome, LoadSummary } from './load-shape.ts';

export interface Tally {
  arrived(lagMs: number): void;
  /** @param status of what was answered */
  ended(passage: Passage, endedMs: number, outcome: LoadOutcome, status: number): void;
  summary(elapsedMs: number): LoadSummary;
}

/** Counts from now on. */
export function createTally(): Tally {
  const [latency, service, lag] = [createHistogram(), createHistogram(), createHistogram()];
  const outcomes = { answered: 0, refused_connection: 0, broken: 0, timed_out: 0, shed: 0 };
  const statuses = new Map<number, number>();
  let planned = 0;
  const before = process.cpuUsage();

  return {
    arrived(lagMs) {
      planned += 1;
      lag.record(lagMs);
    },
    ended({ intendedMs, sentMs }, endedMs, outcome, status) {
      outcomes[outcome] += 1;
      if (outcome !== 'answered') return;
      latency.record(endedMs - intendedMs);
      service.record(endedMs - (sentMs ?? intendedMs));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    },
    summary(elapsedMs) {
      const { user, system } = process.cpuUsage(before);
      const generatorShare = elapsedMs > 0 ? (user + system) / 1000 / elapsedMs : 0;
      return { planned, outcomes, statuses, elapsedMs, latency, service, lag, generatorShare };
    },
  };
}
