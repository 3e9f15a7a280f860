/**
 * Cron patterns, read by croner: five fields, or six with seconds first, in a time zone.
 */
import assert from 'node:assert/strict';
import { Cron } from 'croner';

export interface CronPattern {
  /** The first time after `afterMs` that the pattern names; undefined when there is none. */
  next(afterMs: number): number | undefined;
  /** The last `count` times that the pattern names up to `atMs`, in order. */
  last(count: number, atMs: number): number[];
}

/** @param timezone an IANA name; daylight saving as croner has it: a time that is left out runs right after the gap */
export function parseCronPattern(pattern: string, timezone: string): CronPattern {
  const cron = new Cron(pattern, { timezone, paused: true });
  assert(cron.nextRun(new Date(0)), `the cron pattern ${pattern} names no time`);
  return {
    next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
    last: (count, atMs) =>
      cron
        .previousRuns(count, new Date(atMs + 1))
        .map((run) => run.getTime())
        .reverse(),
  };
}
