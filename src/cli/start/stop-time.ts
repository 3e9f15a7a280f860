/**
 * How long a stop may take.
 */
import type { ServerOptions } from '#server/options';

/** Beyond the drain: time for Postgres to write its checkpoint. */
const CHECKPOINT_MS = 20_000;
/** Beyond the drain: time for jobs to be given back. */
const GIVE_BACK_MS = 10_000;

/** Of a process that serves and owns no Postgres. */
export function drainMsMax({ drainDelayMs, drainTimeoutMs }: ServerOptions['http']): number {
  return drainDelayMs + drainTimeoutMs + GIVE_BACK_MS;
}

/** Of the server as a whole. */
export function stopMsMax(http: ServerOptions['http']): number {
  return http.drainDelayMs + http.drainTimeoutMs + CHECKPOINT_MS;
}
