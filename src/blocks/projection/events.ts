/**
 * The events that concern a projection, wherever they are: in the log, waiting in the outbox, set aside by its consumer
 * group. All is read in the caller's transaction, so that it agrees with what else is read there.
 */
import type { JsonValue } from '#base/json';
import { type Queryable, sql } from '#blocks/database';
import type { StreamEvent } from '#blocks/stream';
import type { ProjectionEvent } from './definition.ts';

export interface Cursor {
  partition: number;
  /** A position. */
  after: string;
}

export interface EventsRead<Event = StreamEvent> {
  events: Event[];
  /** Whether there are no more. */
  isWhole: boolean;
}

/** Of an event that waits in the outbox: grows with the order of writing. */
export type WaitingEvent = ProjectionEvent & { readonly seq: string };
export type AsideEvent = ProjectionEvent & { readonly position: string; readonly isParked: boolean };

export interface Bound {
  eventsMax: number;
  /** Of payload. One event is always read, if there is any. */
  bytesMax: number;
}

interface Row {
  event_id: string;
  workspace_id: string;
  bucket: number;
  type: string;
  key: string;
  payload: JsonValue;
  created_at: Date;
  traceparent: string | null;
  /** How many there were before those past `bytesMax` were cut off. */
  found: number;
}

function toEvent(row: Row): ProjectionEvent {
  return {
    id: row.event_id,
    workspaceId: row.workspace_id,
    bucket: row.bucket,
    type: row.type,
    key: row.key,
    payload: row.payload,
    createdAt: row.created_at,
    traceparent: row.traceparent ?? undefined,
  };
}

function isWhole(rows: readonly Row[], eventsMax: number): boolean {
  const found = rows[0]?.found ?? 0;
  return rows.length === found && found < eventsMax;
}

/** The next events of the stream after the cursors and up to a position, ordered by position. */
export async function readLog(
  tx: Queryable,
  streamId: number,
  { cursors, until }: { cursors: readonly Cursor[]; until: string },
  { eventsMax, bytesMax }: Bound,
): Promise<EventsRead> {
  const rows = await tx.rows<Row & { position: string; partition: number }>(sql`
    select next.position, next.partition, next.event_id, next.workspace_id, next.bucket, next.type, next.key,
      next.payload, next.created_at, next.traceparent, next.found
    from (
      select first_ones.position, first_ones.partition, first_ones.event_id, first_ones.workspace_id,
        first_ones.bucket, first_ones.type, first_ones.key, first_ones.payload, first_ones.created_at,
        first_ones.traceparent, (count(*) over ())::integer as found,
        sum(first_ones.bytes) over (order by first_ones.position) - first_ones.bytes as bytes_before
      from (
        select each.position, each.partition, each.event_id, each.workspace_id, each.bucket, each.type, each.key,
          each.payload, each.created_at, each.traceparent, each.bytes
        from unnest(${cursors.map(({ partition }) => partition)}::smallint[],
          ${cursors.map(({ after }) => after)}::bigint[]) as wanted (partition, after)
        cross join lateral (
          select position, partition, event_id, workspace_id, bucket, type, key, payload, created_at, traceparent, bytes
          from core.stream_events
          where stream_id = ${streamId} and partition = wanted.partition and position > wanted.after
            and position <= ${until}
          order by position
          limit ${eventsMax}
        ) as each
        order by each.position
        limit ${eventsMax}
      ) as first_ones
    ) as next
    where next.bytes_before < ${bytesMax}
    order by next.position`);
  const events = rows.map((row) => ({ ...toEvent(row), position: row.position, partition: row.partition }));
  return { events, isWhole: isWhole(rows, eventsMax) };
}

/** The next events of the stream that wait in the outbox after a number, in the order in which they will be moved. */
export async function readWaiting(
  tx: Queryable,
  streamId: number,
  afterSeq: string,
  { eventsMax, bytesMax }: Bound,
): Promise<EventsRead<WaitingEvent>> {
  const rows = await tx.rows<Row & { seq: string }>(sql`
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
    events: rows.map((row) => ({ ...toEvent(row), seq: row.seq })),
    isWhole: isWhole(rows, eventsMax),
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

/** The next events that a group has set aside, after a position. */
export async function readAside(
  tx: Queryable,
  { streamId, group }: { streamId: number; group: string },
  after: string,
  { eventsMax, bytesMax }: Bound,
): Promise<EventsRead<AsideEvent>> {
  const rows = await tx.rows<Row & { position: string; is_parked: boolean }>(sql`
    select next.position, next.event_id, next.workspace_id, next.bucket, next.type, next.key, next.payload,
      next.created_at, next.traceparent, next.is_parked, next.found
    from (
      select first_ones.position, first_ones.event_id, first_ones.workspace_id, first_ones.bucket, first_ones.type,
        first_ones.key, first_ones.payload, first_ones.created_at, first_ones.traceparent, first_ones.is_parked,
        (count(*) over ())::integer as found,
        sum(first_ones.bytes) over (order by first_ones.position) - first_ones.bytes as bytes_before
      from (
        select position, event_id, workspace_id, bucket, type, key, payload, created_at, traceparent, bytes,
          parked_at is not null as is_parked
        from core.stream_aside
        where stream_id = ${streamId} and group_name = ${group} and position > ${after}
        order by position
        limit ${eventsMax}
      ) as first_ones
    ) as next
    where next.bytes_before < ${bytesMax}
    order by next.position`);
  const events = rows.map((row) => ({ ...toEvent(row), position: row.position, isParked: row.is_parked }));
  return { events, isWhole: isWhole(rows, eventsMax) };
}
