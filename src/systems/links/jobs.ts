/**
 * The jobs of links: when a link's time comes, it is marked and told of. Its redirect does not wait for that.
 */

import { type NewJob, RUN_AT_MS_MAX } from '#blocks/queue';
import { type HandledQueue, handleQueue } from '#blocks/system';
import { type Editing, expireLink } from './edit.ts';
import { expiryQueue } from './queues.ts';
import type { StoredLink } from './store.ts';

/**
 * One job for each link: a new expiry replaces the one that waits. A new link has none, and to say so is cheaper.
 * Undefined when the link is permanent.
 */
export function expiryJob(
  { linkId, expiresAt }: Pick<StoredLink, 'linkId' | 'expiresAt'>,
  onDuplicate: 'replace' | 'reject',
): NewJob | undefined {
  if (expiresAt === null) return undefined;
  return expiryQueue.job(
    { linkId, expiresAt: expiresAt.toISOString() },
    // A time that no job can have is come nearer to: a job that finds its link not due yet is enqueued again.
    { runAtMs: Math.min(expiresAt.getTime(), RUN_AT_MS_MAX), uniqueKey: linkId, onDuplicate },
  );
}

export function createJobs(editing: Editing, sweep: HandledQueue): readonly HandledQueue[] {
  const expiry = handleQueue(expiryQueue, {
    concurrency: 4,
    async handle({ payload: { linkId, expiresAt } }, context) {
      await expireLink(context, editing, { linkId, expiresAt: new Date(expiresAt) });
    },
  });
  return [expiry, sweep];
}
