/**
 * What waits in the outbox, read in a transaction of somebody else: for what has to agree with other rows that are read there.
 */
import { type Queryable, type Sql, sql } from '#blocks/database';
import {
  type BoundedRow,
  type EventsRead,
  isWholeRead,
  type OnItsWay,
  type ReadBound,
  toUnplacedEvent,
  type UnplacedEvent,
} from '#blocks/stream';

/** Of an event that waits in the outbox: grows with the order of writing. */
export type WaitingEvent = UnplacedEvent & { readonly seq: string };

/** Events of some workspaces that wait for the relay; see `selectAhead` of the stream. */
export function selectWaiting(
  stream: string,
  workspaceIds: readonly string[],
  eventsMax: number,
): Sql<OnItsWay> {
  return sql<OnItsWay>`
    (select workspace_id, type, key, payload::text as payload from core.outbox
      where seq >= (select seq from core.outbox_floor)
        and stream_id = (select stream_id from core.streams where name = ${stream})
        and workspace_id = any(${workspaceIds}::bigint[]) limit ${eventsMax})`;
}

/** The next events of the stream that wait in the outbox after a number, in the order in which they will be moved. */
export async function readWaiting(
  tx: Queryable,
  streamId: number,
  afterSeq: string,
  { eventsMax, bytesMax }: ReadBound,
): Promise<EventsRead<WaitingEvent>> {
  const rows = await tx.rows<BoundedRow & { seq: string }>(sql`
    select next.seq, next.event_id, next.workspace_id, next.bucket, next.type, next.key, next.payload,
      next.created_at, next.traceparent, next.found
    from (
      select first_ones.seq, first_ones.event_id, first_ones.workspace_id, first_ones.bucket, first_ones.type,
        first_ones.key, first_ones.payload, first_ones.created_at, first_ones.traceparent,
        (count(*) over ())::integer as found,
        sum(first_ones.bytes) over (order by first_ones.seq) - first_ones.bytes as bytes_before
      from (
        select seq, event_id, workspace_id, bucket, type, key, payload, created_at, traceparent, bytes
        from core.outbox
        where seq >= (select floor.seq from core.outbox_floor as floor) and seq > ${afterSeq} and stream_id = ${streamId}
        order by seq
        limit ${eventsMax}
      ) as first_ones
    ) as next
    where next.bytes_before < ${bytesMax}
    order by next.seq`);
  return {
    events: rows.map((row) => ({ ...toUnplacedEvent(row), seq: row.seq })),
    isWhole: isWholeRead(rows, eventsMax),
  };
}

/** The ids of all events of the stream that wait in the outbox; one more than `idsMax` at most. */
export async function readWaitingIds(tx: Queryable, streamId: number, idsMax: number): Promise<string[]> {
  const rows = await tx.rows<{ event_id: string }>(sql`
    select event_id from core.outbox
    where seq >= (select floor.seq from core.outbox_floor as floor) and stream_id = ${streamId}
    limit ${idsMax + 1}`);
  return rows.map(({ event_id }) => event_id);
}
