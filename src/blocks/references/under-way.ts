/**
 * Deletions whose consequences are still on their way: as an event in the outbox, in the log before the reference's
 * consumer group or set aside by it, or as a job. Each passes from one of these to the next within a transaction, so one
 * statement, which sees one moment of them all, misses none. Its parts are made by the blocks that the rows belong to: asked one
 * after the other, each would have to be waited for, under load without end.
 *
 * A parked event and a dead job are not under way: nobody goes on with them unless asked to.
 */
import type { JsonValue } from '#base/values/json';
import { type Reader, type Sql, sql } from '#blocks/database';
import { selectWaiting } from '#blocks/outbox';
import { selectUnfinished } from '#blocks/queue';
import { selectAhead } from '#blocks/stream';
import { cascadeJob, cascadeQueue } from './cascade.ts';
import type { CascadingReference, ReferringRow } from './reference.ts';

/** The consumer group that keeps the reference. */
export function groupOf({ name }: { name: string }): string {
  return `reference_${name}`;
}

/** More than these are not looked through: then everything counts as under way. */
const EVENTS_MAX = 10_000;

interface FoundRow {
  is_job: boolean;
  workspace_id: string;
  type: string;
  key: string;
  /** JSON. */
  payload: string;
}

const targetKey = (workspaceId: string, targetId: string) => `${workspaceId} ${targetId}`;

/** All that is under way in the workspaces. */
function selectUnderWay(
  reference: CascadingReference,
  workspaceIds: string[],
  payloads: string[],
): Sql<FoundRow> {
  const { stream } = reference.to;
  const max = EVENTS_MAX + 1;
  const waiting = selectWaiting(stream, workspaceIds, max);
  const ahead = selectAhead({ stream, group: groupOf(reference) }, workspaceIds, max);
  const jobs = selectUnfinished(cascadeQueue.name, { workspaceIds, payloads }, max);
  return sql<FoundRow>`
    select false as is_job, workspace_id, type, key, payload from (${waiting} union all ${ahead}) as event
    union all
    select true, workspace_id, '', '', payload from (${jobs}) as job`;
}

/**
 * Which of the rows, whose targets are gone, are about to be removed. To be asked after the targets were found gone, and
 * before the rows are looked at once more: a row that is still there then, and was not under way, stays there.
 * @param core the server's own tables (`database.core`)
 */
export async function findUnderWay(
  core: Reader,
  reference: CascadingReference,
  rows: readonly ReferringRow[],
): Promise<ReadonlySet<ReferringRow>> {
  const workspaceIds = [...new Set(rows.map(({ workspaceId }) => workspaceId))];
  const payloads = new Map(
    rows.map(({ to }) => [JSON.stringify(cascadeJob(reference, to, 'ignore').payload), to]),
  );
  const found = await core.rows(selectUnderWay(reference, workspaceIds, [...payloads.keys()]));
  if (found.length > EVENTS_MAX) return new Set(rows);
  const targets = new Set<string>();
  for (const { is_job: isJob, workspace_id: workspaceId, type, key, payload } of found) {
    const id = isJob
      ? payloads.get(payload)
      : reference.to.deletedBy({ workspaceId, type, key, payload: JSON.parse(payload) as JsonValue });
    if (id !== undefined) targets.add(targetKey(workspaceId, id));
  }
  return new Set(rows.filter(({ workspaceId, to }) => targets.has(targetKey(workspaceId, to))));
}
