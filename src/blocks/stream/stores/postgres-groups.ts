/**
 * Which consumer groups there are.
 */
import { type Queryable, sql } from '#blocks/database';
import type { OpenedGroup } from '../store.ts';

const PARKED_MAX = 10_000;

export function readGroups(core: Queryable): Promise<OpenedGroup[]> {
  return core.rows<OpenedGroup>(sql`
    select stream.name as stream, opened.group_name as "group", (
      select count(*)::integer from (
        select from core.stream_aside as aside
        where aside.stream_id = opened.stream_id and aside.group_name = opened.group_name
          and aside.parked_at is not null
        limit ${PARKED_MAX}
      ) as parked_events
    ) as parked
    from core.stream_offsets as opened
    join core.streams as stream on stream.stream_id = opened.stream_id
    where opened.partition = 0
    order by stream.name, opened.group_name`);
}
