/**
 * Consumer groups. Every change is one statement that names the epoch it relies on.
 */
import { type Queryable, sql } from '#blocks/database';
import { streamErrors } from '../errors.ts';
import type { StreamInfo } from '../event.ts';
import type { GroupStore, Hold, Move } from '../store.ts';
import { type PartitionRow, toState } from './partition-row.ts';
import type { GroupBeats } from './postgres-beats.ts';
import type { Bigint } from './rows.ts';

/** @param beat of all groups of the process */
export function createGroupStore(
  core: Queryable,
  stream: StreamInfo,
  name: string,
  beat: GroupBeats,
): GroupStore {
  const { streamId, partitions } = stream;
  return {
    async open(position) {
      await core.run(sql`
        insert into core.stream_offsets (stream_id, group_name, partition, position)
        select ${streamId}, ${name}, partition, ${position} from generate_series(0, ${partitions - 1}) as partition
        on conflict do nothing`);
    },
    async look() {
      // The members are read last: who holds a partition by then and is not among them has left or was evicted.
      const rows = await core.rows<PartitionRow>(sql`
        select partition, holder, epoch, position, is_expired from core.stream_offsets
        where stream_id = ${streamId} and group_name = ${name} order by partition`);
      if (rows.length === 0) return undefined;
      const members = await core.rows<{ member: string; beat: Bigint }>(sql`
        select member, beat from core.stream_members where stream_id = ${streamId} and group_name = ${name}`);
      return { members, partitions: rows.map(toState) };
    },
    beat: (member) => beat({ streamId, group: name, member }),
    async leave(member) {
      await core.run(sql`
        with left_by as (
          delete from core.stream_members
          where stream_id = ${streamId} and group_name = ${name} and member = ${member}
        )
        update core.stream_offsets set holder = null, epoch = epoch + 1
        where stream_id = ${streamId} and group_name = ${name} and holder = ${member}`);
    },
    async evict(member, seen) {
      const evicted = await core.run(sql`
        delete from core.stream_members
        where stream_id = ${streamId} and group_name = ${name} and member = ${member} and beat = ${seen}`);
      return evicted === 1;
    },
    async take(member, seen) {
      const rows = await core.rows<PartitionRow>(sql`
        update core.stream_offsets set holder = ${member}, epoch = stream_offsets.epoch + 1
        from unnest(${partitionsOf(seen)}::smallint[], ${epochsOf(seen)}::bigint[]) as seen (partition, epoch)
        where stream_id = ${streamId} and group_name = ${name}
          and stream_offsets.partition = seen.partition and stream_offsets.epoch = seen.epoch
        returning stream_offsets.partition, holder, stream_offsets.epoch, position, is_expired`);
      return rows.map(toState);
    },
    async release(holds) {
      await core.run(sql`
        update core.stream_offsets set holder = null, epoch = stream_offsets.epoch + 1
        from unnest(${partitionsOf(holds)}::smallint[], ${epochsOf(holds)}::bigint[]) as held (partition, epoch)
        where stream_id = ${streamId} and group_name = ${name}
          and stream_offsets.partition = held.partition and stream_offsets.epoch = held.epoch`);
    },
    advance: (tx, moves) => advance(tx, stream, name, moves),
    async seek(position) {
      await core.run(sql`select core.seek_stream_group(${streamId}, ${name}, ${position})`);
    },
  };
}

const partitionsOf = (holds: readonly Hold[]) => holds.map(({ partition }) => partition);
const epochsOf = (holds: readonly Hold[]) => holds.map(({ epoch }) => epoch);

/**
 * The position is compared as well as the epoch: a commit whose outcome got lost may take effect after the position
 * was read again, and then this one must not.
 */
async function advance(
  tx: Queryable,
  { streamId, name: streamName }: StreamInfo,
  name: string,
  moves: readonly Move[],
): Promise<void> {
  const moved = await tx.run(sql`
    update core.stream_offsets set position = move.to_position
    from unnest(${partitionsOf(moves)}::smallint[], ${epochsOf(moves)}::bigint[],
      ${moves.map(({ from }) => from)}::bigint[], ${moves.map(({ to }) => to)}::bigint[])
      as move (partition, epoch, from_position, to_position)
    where stream_id = ${streamId} and group_name = ${name} and stream_offsets.partition = move.partition
      and stream_offsets.epoch = move.epoch and position = move.from_position`);
  if (moved === moves.length) return;
  throw streamErrors.consumer_fenced({
    detail: `${moves.length - moved} partitions of ${streamName} have passed from this member of ${name}`,
  });
}
