/**
 * What a drill came to: all that its reports show.
 */
import type { MachineReport } from '#blocks/load';

export interface Check {
  /** A sentence that is true when the check has passed: `nothing acknowledged is lost`. */
  claim: string;
  passed: boolean;
  /** Figures, and for a failure the first few counter-examples. */
  detail: string;
  /** What was found wrong is only that something came late or not at all: where the machine was too busy, it may have been that. */
  isTimed?: true;
  /** It was made on figures that cannot be: the drill is wrong, and nobody knows about the product. */
  isImpossible?: true;
}

/** A reason for not trusting what the drill says of times. */
export interface Disturbance {
  text: string;
  /** So much that nothing which was in time, or did not fail, proves anything either. */
  isBlinding: boolean;
}

/** `busy`: the machine was too busy to tell. `invalid`: the drill has counted what cannot be. */
export type Verdict = 'passed' | 'failed' | 'busy' | 'invalid';

/** A moment worth a mark on the timeline. */
export interface Mark {
  atMs: number;
  kind: 'fault' | 'heal' | 'recovered' | 'process' | 'note';
  text: string;
}

/** One slice of the load, by intended time. */
export interface Slice {
  atMs: number;
  /** Of operations intended in this slice. */
  ok: number;
  refused: number;
  unknown: number;
  /** For want of a connection that did not wait for an answer, or since the generator came too late. */
  notSent: number;
  latencyP50Ms: number;
  latencyP99Ms: number;
}

export interface DrillResult {
  drill: string;
  summary: string;
  seed: number;
  /** RFC 3339, UTC. */
  startedAt: string;
  durationMs: number;
  /** What was started, a line each. */
  topology: readonly string[];
  ratePerS: number;
  /** The rate of which that is a share: the highest of a ramp that was answered in time. Undefined where the rate was given. */
  heldPerS: number | undefined;
  /** Requests of the load that were never sent because the generator was late. */
  generatorLate: number;
  /** What else the machine did meanwhile. */
  machine: MachineReport;
  disturbances: readonly Disturbance[];
  sliceMs: number;
  slices: readonly Slice[];
  marks: readonly Mark[];
  acknowledged: number;
  found: number;
  /** From the fault's end to the first second without a failure; undefined where nothing failed. */
  recoveredMs: number | undefined;
  checks: readonly Check[];
  /** The command that runs the same again. */
  again: string;
}

/**
 * A machine that is too busy excuses what came late, never what is lost, done twice or wrong. Nor does it let pass what a
 * load that was hardly sent has not tried.
 */
export function verdictOf({ checks, disturbances }: Pick<DrillResult, 'checks' | 'disturbances'>): Verdict {
  const failed = checks.filter((check) => !check.passed);
  if (checks.length === 0) return 'failed';
  if (failed.some(({ isTimed, isImpossible }) => !isTimed && !isImpossible)) return 'failed';
  if (failed.some(({ isImpossible }) => isImpossible)) return 'invalid';
  if (failed.length > 0) return disturbances.length > 0 ? 'busy' : 'failed';
  return disturbances.some(({ isBlinding }) => isBlinding) ? 'busy' : 'passed';
}

export function passed(result: DrillResult): boolean {
  return verdictOf(result) === 'passed';
}
