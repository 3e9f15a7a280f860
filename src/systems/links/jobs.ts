/**
 * The jobs of links: when a link's time comes, it is marked and told of. Its redirect does not wait for that.
 */

import { type NewJob, type QueueDefinition, RUN_AT_MS_MAX } from '#blocks/queue';
import type { JobWork } from '#blocks/system';
import { type Editing, expireLink } from './edit.ts';
import type { StoredLink } from './store.ts';
import { SWEEP_QUEUE } from './sweep.ts';

export const EXPIRY_QUEUE = 'links_expiry';

/** Every link with an expiry has one that waits, so the queue holds as many as there are such links. */
export const linksQueues: readonly QueueDefinition[] = [
  {
    name: EXPIRY_QUEUE,
    waitingMax: 1_000_000_000,
    whenDrained:
      'Their links expire all the same: redirects and counts go by the clock, and the sweep tells of each expiry within two minutes.',
  },
  SWEEP_QUEUE,
];

interface ExpiryPayload {
  linkId: string;
  expiresAt: string;
}

/**
 * One job for each link: a new expiry replaces the one that waits. A new link has none, and to say so is cheaper.
 * Undefined when the link is permanent.
 */
export function expiryJob(
  { linkId, expiresAt }: Pick<StoredLink, 'linkId' | 'expiresAt'>,
  onDuplicate: 'replace' | 'reject',
): NewJob | undefined {
  if (expiresAt === null) return undefined;
  return {
    queue: EXPIRY_QUEUE,
    payload: { linkId, expiresAt: expiresAt.toISOString() },
    // A time that no job can have is come nearer to: a job that finds its link not due yet is enqueued again.
    runAtMs: Math.min(expiresAt.getTime(), RUN_AT_MS_MAX),
    uniqueKey: linkId,
    onDuplicate,
  };
}

export function createJobs(editing: Editing, sweep: JobWork): Record<string, JobWork> {
  return {
    [SWEEP_QUEUE.name]: sweep,
    [EXPIRY_QUEUE]: {
      concurrency: 4,
      async handle({ payload }, context) {
        const { linkId, expiresAt } = payload as unknown as ExpiryPayload;
        await expireLink(context, editing, { linkId, expiresAt: new Date(expiresAt) });
      },
    },
  };
}
