/**
 * Why a job does not run yet: the first thing that holds it back, from what is known of it.
 */
import type { Definition, PerKey } from '../definition.ts';
import type { WaitCircumstances } from '../store.ts';

export type Why =
  /** It does not wait: it runs, or is over. */
  | { waitsFor: 'nothing'; state: string; worker: string | undefined }
  | { waitsFor: 'schedule'; untilMs: number }
  | { waitsFor: 'backoff'; untilMs: number; attempts: number; lastError: string | undefined }
  /** The job that it replaces is still running. */
  | { waitsFor: 'unique_twin' }
  | { waitsFor: 'key_concurrency'; key: string; running: number; limit: number }
  | { waitsFor: 'key_rate'; key: string; untilMs: number | undefined }
  | { waitsFor: 'no_worker' }
  /** Others are before it in line; 10,000 stands for more. */
  | { waitsFor: 'priority'; ahead: number }
  /** Nothing holds it back: it is about to run. */
  | { waitsFor: 'turn' };

function whyOfKey(
  { job, ofKey, rateOpensMs }: WaitCircumstances,
  perKey: PerKey | undefined,
): Why | undefined {
  const key = job.concurrencyKey;
  if (key === undefined || !perKey) return undefined;
  const { concurrency: limit, rate } = perKey;
  if (limit !== undefined && ofKey >= limit)
    return { waitsFor: 'key_concurrency', key, running: ofKey, limit };
  return rate && job.state === 'held' ? { waitsFor: 'key_rate', key, untilMs: rateOpensMs } : undefined;
}

function whyReady({ hasTwin, workers, ahead }: WaitCircumstances): Why {
  if (workers === 0) return { waitsFor: 'no_worker' };
  if (hasTwin) return { waitsFor: 'unique_twin' };
  return ahead > 0 ? { waitsFor: 'priority', ahead } : { waitsFor: 'turn' };
}

/** @param definition of its queue; undefined when this process does not know it */
export function whyWaiting(facts: WaitCircumstances, definition: Definition | undefined): Why {
  const { job } = facts;
  const { state, attempts, lastError, runAtMs: untilMs = 0, worker } = job;
  switch (state) {
    case 'scheduled':
      return attempts > 0
        ? { waitsFor: 'backoff', untilMs, attempts, lastError }
        : { waitsFor: 'schedule', untilMs };
    case 'held':
    case 'ready':
      return whyOfKey(facts, definition?.perKey) ?? whyReady(facts);
    default:
      return { waitsFor: 'nothing', state, worker };
  }
}
