/**
 * The log and the standing of a consumer group, read (and the group moved) in a transaction of somebody else: for what has to
 * agree with other rows that are read there, such as a projection that is compared with its truth. Whoever only wants events
 * reads through a consumer or a tail.
 */
import { type Queryable, type Sql, sql } from '#blocks/database';
import {
  type BoundedRow,
  type EventsRead,
  isWholeRead,
  type ReadBound,
  toUnplacedEvent,
  type UnplacedEvent,
} from './bounded-read.ts';
import { streamErrors } from './errors.ts';
import { comparePositions, POSITION_MIN, type StreamInfo } from './event.ts';

/** How far of a partition has been read. */
export interface Cursor {
  partition: number;
  /** A position. */
  after: string;
}

/** An event that a group has set aside: it is refused, or comes after one of its key that is. */
export type AsideEvent = UnplacedEvent & { readonly position: string; readonly isParked: boolean };

interface GroupOf {
  streamId: number;
  group: string;
}

/** @throws stream_unknown */
export async function readStream(tx: Queryable, name: string): Promise<StreamInfo> {
  const found = await tx.first<{ stream_id: number; partitions: number }>(sql`
    select stream_id, partitions from core.streams where name = ${name}`);
  if (!found) throw streamErrors.stream_unknown({ detail: `there is no stream ${name}` });
  return { streamId: found.stream_id, name, partitions: found.partitions };
}

/** How far the group has come in each partition; empty when nobody has opened it. */
export function readCursors(tx: Queryable, { streamId, group }: GroupOf): Promise<Cursor[]> {
  return tx.rows<Cursor>(sql`
    select partition, position as after from core.stream_offsets
    where stream_id = ${streamId} and group_name = ${group} order by partition`);
}

/** The newest position of the log. */
export async function readHead(tx: Queryable): Promise<string> {
  const row = await tx.first<{ position: string }>(sql`select position from core.stream_head`);
  return row?.position ?? POSITION_MIN;
}

/**
 * To be asked after a read: what is kept now was there then.
 * @throws position_expired when retention may have dropped events after the position
 */
export async function assertKept(tx: Queryable, after: string): Promise<void> {
  const row = await tx.first<{ first: string | null }>(sql`
    select min(from_position) - 1 as first from core.stream_segments`);
  if (row?.first == null || comparePositions(row.first, after) <= 0) return;
  throw streamErrors.position_expired({
    detail: `events after ${after} have been dropped while they were needed`,
  });
}

/** Locks what the group has set aside: whoever is working on it finishes first. */
export async function lockAside(tx: Queryable, { streamId, group }: GroupOf): Promise<void> {
  await tx.run(sql`
    select from core.stream_aside where stream_id = ${streamId} and group_name = ${group} order by position for update`);
}

/**
 * Puts the group at a position, and opens it if need be. Its members lose their partitions, and with them the right to
 * commit what they have in hand; what they have set aside is forgotten.
 * @returns how many events had been set aside
 */
export async function moveGroup(
  tx: Queryable,
  { streamId, group, partitions }: GroupOf & { partitions: number },
  to: string,
): Promise<number> {
  await tx.run(sql`
    insert into core.stream_offsets as offsets (stream_id, group_name, partition, position)
    select ${streamId}, ${group}, partition, ${to} from generate_series(0, ${partitions - 1}) as partition
    on conflict (stream_id, group_name, partition)
    do update set position = excluded.position, holder = null, epoch = offsets.epoch + 1,
      is_expired = false`);
  return tx.run(sql`delete from core.stream_aside where stream_id = ${streamId} and group_name = ${group}`);
}

/** An event that is on its way to a group, in few words. */
export interface OnItsWay {
  workspace_id: string;
  type: string;
  key: string;
  /** JSON. */
  payload: string;
}

/**
 * Events of some workspaces that the group has yet to deal with: in the log behind it (read along its index), or set aside and
 * not parked. To be spliced into one statement with what waits elsewhere, since an event passes from one place to the
 * next within a transaction, and only one statement sees one moment of them all.
 */
export function selectAhead(
  { stream, group }: { stream: string; group: string },
  workspaceIds: readonly string[],
  eventsMax: number,
): Sql<OnItsWay> {
  const streamId = sql`(select stream_id from core.streams where name = ${stream})`;
  return sql<OnItsWay>`
    (select event.workspace_id, event.type, event.key, event.payload::text from core.stream_offsets as reached
      join core.stream_events as event on event.stream_id = reached.stream_id
        and event.partition = reached.partition and event.position > reached.position
      where reached.stream_id = ${streamId} and reached.group_name = ${group}
        and event.workspace_id = any(${workspaceIds}::bigint[]) limit ${eventsMax})
    union all
    (select workspace_id, type, key, payload::text from core.stream_aside
      where stream_id = ${streamId} and group_name = ${group} and parked_at is null
        and workspace_id = any(${workspaceIds}::bigint[]) limit ${eventsMax})`;
}

/** The next events of the stream after the cursors and up to a position, ordered by position. */
export async function readLog(
  tx: Queryable,
  streamId: number,
  { cursors, until }: { cursors: readonly Cursor[]; until: string },
  { eventsMax, bytesMax }: ReadBound,
): Promise<EventsRead> {
  const rows = await tx.rows<BoundedRow & { position: string; partition: number }>(sql`
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
  const events = rows.map((row) => ({
    ...toUnplacedEvent(row),
    position: row.position,
    partition: row.partition,
  }));
  return { events, isWhole: isWholeRead(rows, eventsMax) };
}

/** The next events that a group has set aside, after a position. */
export async function readAside(
  tx: Queryable,
  { streamId, group }: { streamId: number; group: string },
  after: string,
  { eventsMax, bytesMax }: ReadBound,
): Promise<EventsRead<AsideEvent>> {
  const rows = await tx.rows<BoundedRow & { position: string; is_parked: boolean }>(sql`
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
  const events = rows.map((row) => ({
    ...toUnplacedEvent(row),
    position: row.position,
    isParked: row.is_parked,
  }));
  return { events, isWhole: isWholeRead(rows, eventsMax) };
}
