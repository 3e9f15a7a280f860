/**
 * Who carries out the jobs of orders. An attempt may be repeated, so each looks first whether there is anything left to do.
 */
import { type HandledQueue, handleQueue, parseId, type SystemDeps } from 'loadstone';
import { confirm, expire } from './orders.ts';
import { confirmationQueue, expiryQueue, reportQueue, viewQueue } from './queues.ts';
import { addView, countByState } from './store.ts';

export function createJobs({ database }: Pick<SystemDeps, 'database'>): readonly HandledQueue[] {
  return [
    handleQueue(expiryQueue, {
      concurrency: 4,
      async handle({ workspaceId, payload: { orderId } }, { mutate }) {
        await mutate({ bucket: parseId(orderId).bucket }, (tx) => expire(tx, { workspaceId, orderId }));
      },
    }),
    handleQueue(confirmationQueue, {
      concurrency: 4,
      async handle({ workspaceId, payload: { orderId } }, { mutate }) {
        await mutate({ bucket: parseId(orderId).bucket }, (tx) => confirm(tx, { workspaceId, orderId }));
      },
    }),
    handleQueue(viewQueue, {
      concurrency: 2,
      async handle({ workspaceId, bucket, payload: { productId } }, { mutate }) {
        await mutate({ bucket }, (tx) => addView(tx, { workspaceId, bucket }, productId));
      },
    }),
    handleQueue(reportQueue, {
      concurrency: 1,
      // What it returns is kept with the job.
      handle: ({ workspaceId, signal }) =>
        countByState(database.reader({ consistency: 'strong', role: 'system', signal }), workspaceId),
    }),
  ];
}
