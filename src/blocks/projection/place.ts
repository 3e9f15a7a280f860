/**
 * Where a projection stands: its stream, and how far its consumer group has come. Read in the caller's transaction.
 */
import { type Queryable, sql } from '#blocks/database';
import { comparePositions, POSITION_MIN, streamErrors } from '#blocks/stream';
import type { ProjectionDefinition } from './definition.ts';
import type { Cursor } from './events.ts';

export interface Place {
  streamId: number;
  /** The name of the stream. */
  stream: string;
  partitions: number;
  group: string;
  /** How far the group has come; undefined when nobody has opened it. */
  cursors: Cursor[] | undefined;
  /** The newest position of the log. */
  head: string;
}

/** @throws stream_unknown */
export async function readPlace(tx: Queryable, { stream, name }: ProjectionDefinition): Promise<Place> {
  const found = await tx.first<{ stream_id: number; partitions: number }>(sql`
    select stream_id, partitions from core.streams where name = ${stream}`);
  if (!found) throw streamErrors.stream_unknown({ detail: `there is no stream ${stream}` });
  const { stream_id: streamId, partitions } = found;
  const [cursors, head] = await Promise.all([
    tx.rows<Cursor>(sql`
      select partition, position as after from core.stream_offsets
      where stream_id = ${streamId} and group_name = ${name} order by partition`),
    readHead(tx),
  ]);
  return {
    streamId,
    stream,
    partitions,
    group: name,
    cursors: cursors.length > 0 ? cursors : undefined,
    head,
  };
}

export async function readHead(tx: Queryable): Promise<string> {
  const row = await tx.first<{ position: string }>(sql`select position from core.stream_head`);
  return row?.position ?? POSITION_MIN;
}

/** One cursor at the same position for each partition. */
export function cursorsAt(position: string, { partitions }: Pick<Place, 'partitions'>): Cursor[] {
  return Array.from({ length: partitions }, (_, partition) => ({ partition, after: position }));
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
export async function lockAside(tx: Queryable, { streamId, group }: Place): Promise<void> {
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
  { streamId, group, partitions }: Place,
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
