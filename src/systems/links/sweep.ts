/**
 * Links whose time has come and whose job is gone: discarded by hand, dead, or not in the backup that was restored. Once a
 * minute they are found by their expiry itself, marked and told of, so that what others make of the events does not depend
 * on each job having run. Redirects and counts do not wait for that: they go by the clock.
 */
import type { MutationTx } from '#blocks/mutation';
import type { QueueDefinition, Schedule } from '#blocks/queue';
import type { JobWork } from '#blocks/system';
import type { DueLink, LinksStore } from './store.ts';

export const SWEEP_QUEUE: QueueDefinition = {
  name: 'links_sweep',
  // The next minute brings another.
  attemptsMax: 1,
  whenDrained: 'The next one comes within a minute.',
};

/** Of the server itself, so of no workspace. */
const PLACE = { workspaceId: '0', bucket: 0 };

export const sweepSchedule: Schedule = {
  name: 'links_sweep',
  pattern: '* * * * *',
  queue: SWEEP_QUEUE.name,
  payload: () => ({}),
  ...PLACE,
};

/** So long a link's own job has for its work, first tries that fail included. */
export const GRACE_MS = 15_000;
const PAGE_MAX = 1000;
const PAGES_MAX = 50;
const LANES = 8;

/** @param expireDue marks these links of a workspace and bucket, and tells of them; gives how many */
export function createSweep(
  store: Pick<LinksStore, 'due'>,
  expireDue: (tx: MutationTx, workspaceId: string, linkIds: readonly string[]) => Promise<number>,
  { clock, swept }: { clock: { nowMs(): number }; swept: (count: number) => void },
): JobWork {
  async function sweepPage(
    due: readonly DueLink[],
    mutate: Parameters<JobWork['handle']>[1]['mutate'],
  ): Promise<number> {
    const groups = Map.groupBy(due, ({ workspaceId, bucket }) => `${workspaceId} ${bucket}`).values();
    let total = 0;
    // Each lane takes the next group: a transaction is of one workspace and one bucket.
    async function runLane(): Promise<void> {
      for (const group of groups) {
        const [{ workspaceId, bucket }] = group as [DueLink];
        const linkIds = group.map(({ linkId }) => linkId);
        total += await mutate({ workspaceId, bucket }, (tx) => expireDue(tx, workspaceId, linkIds));
      }
    }
    await Promise.all(Array.from({ length: LANES }, runLane));
    return total;
  }

  return {
    concurrency: 1,
    async handle(job, { log, mutate }) {
      let total = 0;
      for (let page = 0; page < PAGES_MAX; page++) {
        job.signal.throwIfAborted();
        const due = await store.due(clock.nowMs() - GRACE_MS, PAGE_MAX, job.signal);
        const found = due.length === 0 ? 0 : await sweepPage(due, mutate);
        total += found;
        swept(found);
        job.heartbeat();
        // Those that are left of a page are in the hands of others.
        if (due.length < PAGE_MAX || found === 0) break;
      }
      if (total > 0) log.warn({ links: total }, 'links past their expiry had no job that told of it');
      return { links: total };
    },
  };
}
