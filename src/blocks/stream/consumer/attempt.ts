/**
 * One transaction of a consumer, and whose fault it is when it fails.
 */
import type { Clock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import type { Database, Transaction } from '#blocks/database';

/** What a transaction of a consumer came to. */
export type Attempt = { kind: 'committed' } | { kind: 'refused'; error: unknown };

export interface AttemptDeps {
  database: Pick<Database, 'transact'>;
  clock: Clock;
  /** Aborts when work in hand has to end. */
  stopping: AbortSignal;
}

/** Failures that say nothing about the events: the batch is as good as before, and will be tried again as it is. */
const OUTAGES = new Set([
  'consumer_fenced',
  'database_busy',
  'database_conflict',
  'database_unavailable',
  'outcome_unknown',
  'queue_full',
  'stopped',
]);
const CAUSES_MAX = 8;

/** Whether the failure, or one that caused it, is of the surroundings and not of the events. */
export function isOutage(error: unknown): boolean {
  let each: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && each instanceof Error; depth++) {
    if (isLoadstoneError(each) && OUTAGES.has(each.code)) return true;
    each = each.cause;
  }
  return false;
}

/**
 * Runs `work` in a transaction as the server itself. What else goes wrong than an outage is put down to the events:
 * the handler's own errors, statements of its that fail, a constraint that fails at the commit, too long a time.
 * @throws what is an outage, or the reason for stopping
 */
export async function attempt(
  { timeoutMs }: { timeoutMs: number },
  { database, clock, stopping }: AttemptDeps,
  work: (tx: Transaction) => Promise<void>,
): Promise<Attempt> {
  const deadline = createDeadline(clock, timeoutMs, stopping);
  try {
    // A batch is of many workspaces; its effects are placed by what it writes.
    const placement = { system: 'stream', workspaceId: '0', bucket: 0 };
    await database.transact(placement, { signal: deadline.signal, role: 'system' }, work);
    return { kind: 'committed' };
  } catch (error) {
    if (stopping.aborted || isOutage(error)) throw error;
    return { kind: 'refused', error };
  } finally {
    deadline.done();
  }
}
