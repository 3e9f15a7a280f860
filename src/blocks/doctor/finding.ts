/**
 * What an examination says of one thing.
 */
export const SEVERITIES = ['problem', 'warning', 'ok'] as const;
/** `warning`: something to see to. `problem`: data, or the service, is at stake. */
export type Severity = (typeof SEVERITIES)[number];

export interface Finding {
  /** Stable: the check, and behind a colon what it found (`dead_rows:core.jobs`). No two are equal. */
  id: string;
  severity: Severity;
  /** What was seen. */
  what: string;
  /** Why it matters; empty when ok. */
  why: string;
  /** What to do; empty when ok. */
  remedy: string;
}

/** All is well with `id`. */
export function fine(id: string, what: string): Finding {
  return { id, severity: 'ok', what, why: '', remedy: '' };
}
