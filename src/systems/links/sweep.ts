/**
 * Links whose time has come and whose job is gone: discarded by hand, dead, or not in the backup that was restored. Once a
 * minute they are found by their expiry itself, marked and told of, so that what others make of the events does not depend
 * on each job having run. Redirects and counts do not wait for that: they go by the clock.
 */
import type { Clock } from '#base/clock';
import type { MutationTx } from '#blocks/mutation';
import { type HandledQueue, handleQueue, type JobContext } from '#blocks/system';
import { sweepQueue } from './queues.ts';
import type { DueLink, LinksStore } from './store.ts';

/** Of the server itself, so of no workspace. */
const PLACE = { workspaceId: '0', bucket: 0 };

export const sweepSchedule = sweepQueue.schedule({
  name: 'links_sweep',
  pattern: '* * * * *',
  payload: () => ({}),
  ...PLACE,
});

/** So long a link's own job has for its work, first tries that fail included. */
export const GRACE_MS = 15_000;
const PAGE_MAX = 1000;
const PAGES_MAX = 50;
const LANES = 8;

type Mutate = JobContext['mutate'];

/** @param expireDue marks these links of a workspace and bucket, and tells of them; gives how many */
export function createSweep(
  store: Pick<LinksStore, 'due'>,
  expireDue: (tx: MutationTx, workspaceId: string, linkIds: readonly string[]) => Promise<number>,
  { clock, swept }: { clock: Pick<Clock, 'nowMs'>; swept: (count: number) => void },
): HandledQueue {
  /** @param done told of each transaction: those before one that fails have taken place */
  async function sweepPage(due: readonly DueLink[], mutate: Mutate, done: (count: number) => void) {
    const groups = Map.groupBy(due, ({ workspaceId, bucket }) => `${workspaceId} ${bucket}`).values();
    // Each lane takes the next group: a transaction is of one workspace and one bucket.
    async function runLane(): Promise<void> {
      for (const group of groups) {
        const [{ workspaceId, bucket }] = group as [DueLink];
        const linkIds = group.map(({ linkId }) => linkId);
        done(await mutate({ workspaceId, bucket }, (tx) => expireDue(tx, workspaceId, linkIds)));
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: LANES }, runLane));
    for (const lane of ended) if (lane.status === 'rejected') throw lane.reason;
  }

  return handleQueue(sweepQueue, {
    concurrency: 1,
    async handle(job, { log, mutate }) {
      let links = 0;
      const done = (count: number) => {
        links += count;
        swept(count);
      };
      try {
        for (let page = 0; page < PAGES_MAX; page++) {
          const before = links;
          const due = await store.due(clock.nowMs() - GRACE_MS, PAGE_MAX, job.signal);
          await sweepPage(due, mutate, done);
          job.heartbeat();
          // Those that are left of a page are in the hands of others.
          if (due.length < PAGE_MAX || links === before) break;
        }
      } finally {
        if (links > 0) log.warn({ links }, 'links past their expiry had no job that told of it');
      }
      return { links };
    },
  });
}
