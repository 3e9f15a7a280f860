/**
 * What a supervisor and the processes it has started say to each other.
 */
import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** Set in the environment of the process that takes the port for all, before it can serve. */
export const BINDS_FIRST = 'LOADSTONE_BINDS_FIRST';

/** Set in the environment of each: how many serve. */
export const CHILDREN = 'LOADSTONE_CHILDREN';

/** Set in the environment of each: its place among them, from 1. */
export const CHILD_NUMBER = 'LOADSTONE_CHILD_NUMBER';

/** All that are set so. */
export const CHILDREN_VARIABLES = [BINDS_FIRST, CHILDREN, CHILD_NUMBER] as const;

/** The metrics of one process, as its registry gives them. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[];

/** By a process that serves. `question` names the one that is answered. */
export type FromChild =
  /** From now on orders reach it: what is sent earlier is lost, whenever that is read before anybody listens. */
  | { kind: 'attentive' }
  | { kind: 'ready' }
  /** Its event loop goes round. */
  | { kind: 'alive' }
  /** It could not start, for this reason, in a person's words; with the code of the error, if it has one. */
  | { kind: 'failed'; line: string; code?: string }
  | { kind: 'metrics'; question: number; snapshot: MetricsSnapshot }
  /** Its last metrics: it is about to end. */
  | { kind: 'farewell'; snapshot: MetricsSnapshot }
  /** Asks for the metrics of all processes. */
  | { kind: 'gather'; question: number };

/** By the supervisor. */
export type FromSupervisor =
  /** Data directory, master key and database are there. */
  | { kind: 'begin' }
  | { kind: 'drain' }
  | { kind: 'stop_at_once' }
  | { kind: 'are_you_alive' }
  | { kind: 'metrics'; question: number }
  | { kind: 'gathered'; question: number; text: string };
