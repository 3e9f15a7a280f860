/**
 * What this block can do, as numbers for the planner. All follow from the layout of ids and codes.
 */
import { codesOfLength } from './codes.ts';
import { AHEAD_MS_MAX } from './ids.ts';
import { ID_TIME_MS_MAX, SEQUENCE_MAX, WORKER_MAX } from './layout.ts';

const PER_MS = SEQUENCE_MAX + 1;

export const idLimits = {
  processesMax: WORKER_MAX + 1,
  /** For as long as one likes. */
  perSecondPerProcessMax: PER_MS * 1000,
  /** At once, by a process that was idle. */
  burstMax: PER_MS * (AHEAD_MS_MAX + 1),
  /** The last Unix millisecond that an id can hold: in 2095. */
  lastMs: ID_TIME_MS_MAX,
} as const;

/**
 * Crashes and restarts a second, over all processes, that the worker numbers bear: each holds one for a lease
 * more.
 */
export function crashesPerSecondMax(processes: number, leaseMs: number): number {
  return Math.max(0, idLimits.processesMax - processes) / (leaseMs / 1000);
}

/** The chance that a guessed code of `length` characters is one of `given` codes of that length. */
export function guessChance(given: number, length: number): number {
  return Math.min(1, given / codesOfLength(length));
}
