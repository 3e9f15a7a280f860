/**
 * The beats of all consumers of a process: what is due at one moment is one statement, and one commit.
 */
import { createBatch } from '#base/batch';
import { type Queryable, sql } from '#blocks/database';
import type { GroupState } from '../store.ts';
import { type PartitionRow, toState } from './partition-row.ts';

interface Ask {
  streamId: number;
  group: string;
  member: string;
}

/** Moves a member's beat, and gives its group as it was just before; undefined for a group that nobody has opened. */
export type GroupBeats = (ask: Ask) => Promise<GroupState | undefined>;

interface Row {
  nth: number;
  partitions: PartitionRow[] | null;
  members: { member: string; beat: string }[] | null;
}

export function createGroupBeats(core: Queryable): GroupBeats {
  return createBatch(async (asked: readonly Ask[]) => {
    // Numbers of 64 bits go as text: JSON's would lose their last digits.
    const rows = await core.rows<Row>(sql`
      with asked as (
        select stream_id, group_name, member, nth from unnest(${asked.map(({ streamId }) => streamId)}::integer[],
          ${asked.map(({ group }) => group)}::text[], ${asked.map(({ member }) => member)}::text[])
          with ordinality as one (stream_id, group_name, member, nth)
      ), beaten as (
        insert into core.stream_members as members (stream_id, group_name, member, beat)
        select distinct stream_id, group_name, member, 0 from asked
        on conflict (stream_id, group_name, member) do update set beat = members.beat + 1
      )
      select nth::integer, (
          select json_agg(json_build_object('partition', partition, 'holder', holder, 'epoch', epoch::text,
            'position', position::text, 'is_expired', is_expired) order by partition)
          from core.stream_offsets as offsets
          where offsets.stream_id = asked.stream_id and offsets.group_name = asked.group_name
        ) as partitions, (
          select json_agg(json_build_object('member', members.member, 'beat', members.beat::text))
          from core.stream_members as members
          where members.stream_id = asked.stream_id and members.group_name = asked.group_name
        ) as members
      from asked order by nth`);
    return asked.map((_, at) => {
      const { partitions, members } = rows[at] ?? { partitions: null, members: null };
      return partitions ? { partitions: partitions.map(toState), members: members ?? [] } : undefined;
    });
  });
}
