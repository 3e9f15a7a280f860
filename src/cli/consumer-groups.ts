/**
 * Which consumer groups there are, of all streams.
 */
import { type Queryable, sql } from '#blocks/database';

export interface GroupPlace {
  stream: string;
  group: string;
  /** How many events it has parked; counted up to 10,000. */
  parked: number;
}

const PARKED_MAX = 10_000;

/** By stream and group. */
export function listGroups(core: Queryable): Promise<GroupPlace[]> {
  return core.rows<GroupPlace>(sql`
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
