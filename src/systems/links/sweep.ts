/**
 * Links whose time has come and whose job is gone: discarded by hand, dead, or not in the backup that was restored. Once a
 * minute they are found by their expiry itself, marked and told of, so that what others make of the events does not depend
 * on each job having run. Redirects and counts do not wait for that: they go by the clock.
 */
import type { Clock } from '#base/clock';
import { type HandledQueue, handleQueue, type JobContext } from '#blocks/system';
import { type Editing, expireLink } from './edit.ts';
import { sweepQueue } from './queues.ts';
import type { DueLink, LinksStore } from './store.ts';

/** Of the server itself, so of no workspace. */
const PLACEMENT = { workspaceId: '0', bucket: 0 };

export const sweepSchedule = sweepQueue.schedule({
  name: 'links_sweep',
  pattern: '* * * * *',
  payload: () => ({}),
  ...PLACEMENT,
});

/** So long a link's own job has for its work, first tries that fail included. */
export const GRACE_MS = 15_000;
const PAGE_MAX = 1000;
const PAGES_MAX = 50;

export function createSweep(
  store: Pick<LinksStore, 'due'>,
  editing: Editing,
  { clock, swept }: { clock: Pick<Clock, 'nowMs'>; swept: (count: number) => void },
): HandledQueue {
  /** All at once: they travel in sets. @param done told of each: others of the page may fail */
  async function sweepPage(
    due: readonly DueLink[],
    context: Pick<JobContext, 'mutateInSet'>,
    done: (count: number) => void,
  ): Promise<void> {
    const ended = await Promise.allSettled(
      due.map(async (link) => {
        if (await expireLink(context, editing, link)) done(1);
      }),
    );
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
  }

  return handleQueue(sweepQueue, {
    concurrency: 1,
    async handle(job, { log, mutateInSet }) {
      let links = 0;
      const done = (count: number) => {
        links += count;
        swept(count);
      };
      try {
        for (let page = 0; page < PAGES_MAX; page++) {
          const before = links;
          const due = await store.due(clock.nowMs() - GRACE_MS, PAGE_MAX, job.signal);
          await sweepPage(due, { mutateInSet }, done);
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
