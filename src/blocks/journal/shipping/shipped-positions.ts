/**
 * How far journals have been shipped: table `core.journal_offsets`.
 */
import { type Queryable, sql } from '#blocks/database';

/** Postgres gives a bigint as text; these stay far below 2^53. */
type Bigint = string | number;

export interface RecordPlacement {
  workspaceId: string;
  bucket: number;
}

/** The sequence of the first record that has not been shipped; 0 for a journal that the database does not know. */
export async function readShipped(queryable: Queryable, journalId: string): Promise<number> {
  const row = await queryable.first<{ next: Bigint }>(sql`
    select next from core.journal_offsets where journal_id = ${journalId}`);
  return Number(row?.next ?? 0);
}

/**
 * Moves a journal on, in the transaction that writes what its records become. Waits for another that does the same.
 * @returns false, and no effect, if `from` is not where it stands
 */
export async function moveShipped(
  tx: Queryable,
  journalId: string,
  { from, to, place }: { from: number; to: number; place: RecordPlacement },
): Promise<boolean> {
  const { workspaceId, bucket } = place;
  const moved = await tx.run(
    from === 0
      ? sql`
        insert into core.journal_offsets (journal_id, workspace_id, bucket, next)
        values (${journalId}, ${workspaceId}, ${bucket}, ${to})
        on conflict (journal_id) do nothing`
      : sql`
        update core.journal_offsets set next = ${to}, updated_at = now()
        where journal_id = ${journalId} and next = ${from}`,
  );
  return moved === 1;
}

/**
 * Says that a journal's directory is gone, durably, after all of it was shipped; and deletes what was said so more than
 * 30 days ago.
 */
export async function finishShipped(tx: Queryable, journalId: string): Promise<void> {
  await tx.run(sql`
    with finished as (
      update core.journal_offsets set finished_at = now() where journal_id = ${journalId}
    )
    delete from core.journal_offsets
    where journal_id in (
      select journal_id from core.journal_offsets
      where finished_at < now() - interval '30 days'
      limit 1000
    )`);
}
