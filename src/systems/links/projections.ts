/**
 * What is made from the events of links.
 */
import { type Queryable, type Sql, sql } from '#blocks/database';
import { defineProjection, type ProjectedEvent } from '#blocks/projection';
import { type LinkState, linkEvents } from './events.ts';

type LinkTold = ProjectedEvent<(typeof linkEvents)[number]>;

interface Change {
  workspaceId: string;
  bucket: number;
  live: number;
  expired: number;
}

const countOf = (state: LinkState | null, counted: LinkState) => (state === counted ? 1 : 0);

/** By how much the events change each row, in an order that keeps two batches from waiting for each other in a circle. */
export function changesOf(events: readonly LinkTold[]): Change[] {
  const changes = new Map<string, Change>();
  for (const { workspaceId, bucket, payload } of events) {
    const { was, is } = payload;
    const key = `${workspaceId} ${bucket}`;
    const change = changes.get(key) ?? { workspaceId, bucket, live: 0, expired: 0 };
    change.live += countOf(is, 'live') - countOf(was, 'live');
    change.expired += countOf(is, 'expired') - countOf(was, 'expired');
    changes.set(key, change);
  }
  return [...changes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change);
}

async function applyCounts(events: readonly LinkTold[], tx: Queryable, table: Sql): Promise<void> {
  const changes = changesOf(events);
  await tx.run(sql`
    insert into ${table} as counts (workspace_id, bucket, live, expired)
    select workspace_id, bucket, live, expired
    from unnest(${changes.map(({ workspaceId }) => workspaceId)}::bigint[],
      ${changes.map(({ bucket }) => bucket)}::smallint[], ${changes.map(({ live }) => live)}::bigint[],
      ${changes.map(({ expired }) => expired)}::bigint[]) as change (workspace_id, bucket, live, expired)
    on conflict (workspace_id, bucket) do update
    set live = counts.live + excluded.live, expired = counts.expired + excluded.expired`);
}

/** Links by workspace, bucket and state: one row for each place that ever had a link. */
export const linkCounts = defineProjection({
  name: 'links_counts',
  system: 'links',
  table: 'counts',
  on: linkEvents,
  apply: applyCounts,
  truth: sql`
    select workspace_id, bucket,
      count(*) filter (where deleted_at is null and expired_at is null) as live,
      count(*) filter (where deleted_at is null and expired_at is not null) as expired
    from links.links
    group by workspace_id, bucket`,
});
