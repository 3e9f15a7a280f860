/**
 * What a drill's clients did and saw, in the order in which they began: the evidence that checks are made on.
 */

/**
 * How an operation ended. `ok`: acknowledged. `refused`: certainly had no effect. `unknown`: it may have had its effect, now
 * or later: the answer was lost, or told of an unknown outcome.
 */
export type Outcome = 'ok' | 'refused' | 'unknown';

/** Times are milliseconds since the drill's load began, on a clock that never steps back. */
export interface Operation {
  /** Dense, in order of `sentMs`. */
  id: number;
  /** The route's id. */
  route: string;
  /** What it is about: histories are checked apart by key. */
  key: string;
  action: Action;
  /** When it should have been sent, by the load's schedule: latencies count from here. */
  intendedMs: number;
  sentMs: number;
  /** Undefined while `outcome` is `unknown` for want of an answer: it may take effect at any later time. */
  endedMs: number | undefined;
  outcome: Outcome;
  /** Whose it is, where the drill's clients carry a session: one client's operations come one after the other. */
  session?: number;
  /** HTTP status, if there was an answer. */
  status?: number;
  /** The problem document's code of a refusal. */
  code?: string;
}

/** On the register that `key` names. A value undefined means that there is nothing (404, 410). */
export type Action =
  | { kind: 'write'; value: string | undefined }
  | { kind: 'read'; value: string | undefined };

export interface History {
  operations: readonly Operation[];
}
