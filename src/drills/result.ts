/**
 * What a drill came to: all that its reports show.
 */

export interface Check {
  /** A sentence that is true when the check has passed: `nothing acknowledged is lost`. */
  claim: string;
  passed: boolean;
  /** Figures, and for a failure the first few counter-examples. */
  detail: string;
}

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

export function passed({ checks }: DrillResult): boolean {
  return checks.length > 0 && checks.every((check) => check.passed);
}
