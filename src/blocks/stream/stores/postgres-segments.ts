/**
 * Segments of the log: partitions of the table `core.stream_events`.
 */
import { type Queryable, sql } from '#blocks/database';
import type { LogStore } from '../store.ts';
import type { Bigint } from './rows.ts';

interface SegmentRow {
  segment: Bigint;
  from_position: Bigint;
  to_position: Bigint;
  made_at: Date;
  sealed_at: Date | null;
  bytes: Bigint | null;
}

export function createSegmentStore(
  core: Queryable,
): Pick<LogStore, 'segments' | 'addSegment' | 'sealBefore' | 'dropSegment' | 'unreadIn'> {
  return {
    async segments() {
      const rows = await core.rows<SegmentRow>(sql`
        select segment, from_position, to_position, made_at, sealed_at,
          pg_total_relation_size(to_regclass('core.stream_events_' || segment)) as bytes
        from core.stream_segments order by segment`);
      return rows.map((row) => ({
        segment: Number(row.segment),
        fromPosition: row.from_position,
        toPosition: row.to_position,
        madeAtMs: row.made_at.getTime(),
        sealedAtMs: row.sealed_at?.getTime(),
        bytes: Number(row.bytes ?? 0),
      }));
    },
    async addSegment(positions, { until, nowMs }) {
      await core.run(sql`select core.add_stream_segment(${positions}, ${until}, ${new Date(nowMs)})`);
    },
    async sealBefore(position, nowMs) {
      // The head's row is locked by a batch that is taking positions, and so by this: neither passes the other.
      await core.run(sql`
        with moved as (
          update core.stream_head set position = ${position}::bigint - 1 where position < ${position}::bigint - 1
        )
        update core.stream_segments set sealed_at = ${new Date(nowMs)}
        where to_position <= ${position} and sealed_at is null`);
    },
    async dropSegment(segment) {
      const row = await core.first<{ dropped: boolean }>(sql`
        select core.drop_stream_segment(${segment}) as dropped`);
      return row?.dropped === true;
    },
    async unreadIn({ fromPosition, toPosition }) {
      const rows = await core.rows<{ name: string }>(sql`
        select distinct streams.name || '/' || stream_offsets.group_name as name
        from core.stream_offsets join core.streams using (stream_id)
        where exists (
          select from core.stream_events
          where stream_events.stream_id = stream_offsets.stream_id
            and stream_events.partition = stream_offsets.partition
            and stream_events.position > stream_offsets.position
            and stream_events.position >= ${fromPosition} and stream_events.position < ${toPosition}
        )`);
      return rows.map(({ name }) => name);
    },
  };
}
