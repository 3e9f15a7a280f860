/**
 * The jobs of links: when a link's time comes, it is marked and told of. Its redirect does not wait for that.
 */

import { parseId } from '#blocks/ids';
import type { MutationTx } from '#blocks/mutation';
import { type NewJob, RUN_AT_MS_MAX } from '#blocks/queue';
import { type HandledQueue, handleQueue } from '#blocks/system';
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

/** @param expire marks the link, if it still has this expiry */
export function createJobs(
  expire: (tx: MutationTx, workspaceId: string, linkId: string, expiresAt: Date) => Promise<void>,
  sweep: HandledQueue,
): readonly HandledQueue[] {
  const expiry = handleQueue(expiryQueue, {
    concurrency: 4,
    async handle({ workspaceId, payload: { linkId, expiresAt } }, { mutate }) {
      await mutate({ bucket: parseId(linkId).bucket }, (tx) =>
        expire(tx, workspaceId, linkId, new Date(expiresAt)),
      );
    },
  });
  return [expiry, sweep];
}
