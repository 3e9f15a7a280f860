/**
 * Jobs that wait or run, for a statement of somebody else that has to see them in one moment with other rows.
 */
import { type Sql, sql } from '#blocks/database';

export interface UnfinishedJob {
  workspace_id: string;
  /** JSON. */
  payload: string;
}

/** Those of some workspaces with one of these payloads. */
export function selectUnfinished(
  queue: string,
  { workspaceIds, payloads }: { workspaceIds: readonly string[]; payloads: readonly string[] },
  jobsMax: number,
): Sql<UnfinishedJob> {
  return sql<UnfinishedJob>`
    (select workspace_id, payload from core.jobs
      where queue = ${queue} and workspace_id = any(${workspaceIds}::bigint[]) and payload = any(${payloads}::text[])
      limit ${jobsMax})`;
}
