/**
 * Compares a projection with the truth, while both go on changing: all is read in one snapshot, and what the projection
 * does not have yet is applied to a copy of it.
 */
import { identifier, type Queryable, type Sql, sql } from '#blocks/database';
import { type Columns, names, readColumns, unsettled } from './columns.ts';
import { type Comparison, compare } from './compare.ts';
import { liveName, type ProjectionDefinition } from './definition.ts';
import { projectionErrors } from './errors.ts';
import { applyPending, type Pending, type PendingLimits, type RefusedKey } from './pending.ts';
import { type Progress, readProgress } from './progress.ts';

export interface Verification extends Comparison {
  name: string;
  /** Whether only some rows were compared. All of the truth and of the table was read even so. */
  isSample: boolean;
  /** Rows that have no raw rows any more: here the table is the truth, and nothing was compared. */
  rowsSettled: number;
  /** Events that were written but not yet in the table: they have been applied to a copy of it. */
  eventsPending: number;
  /** Keys of which the consumer has parked an event: the table lacks their effects until they are redriven. */
  parkedKeys: number;
  /** How many keys have an event that cannot be applied: differences may be theirs. */
  refusedTotal: number;
  /** The first of them. */
  refused: RefusedKey[];
}

const REFUSED_MAX = 10;

/** The name of a temporary table: by its projection, so that no prepared statement meets another shape of table. */
function temporary({ name }: ProjectionDefinition, what: 'expected' | 'actual'): Sql {
  return identifier(`pg_temp.${name}_${what}`);
}

/** Like the projection's table, so that values have its types and keys are unique; gone when the transaction ends. */
async function makeCopy(
  tx: Queryable,
  definition: ProjectionDefinition,
  what: 'expected' | 'actual',
): Promise<Sql> {
  const live = identifier(liveName(definition));
  await tx.run(sql`
    create temporary table ${identifier(`${definition.name}_${what}`)} (like ${live} including all) on commit drop`);
  return temporary(definition, what);
}

export interface UpToDate {
  table: Sql;
  columns: Columns;
  progress: Progress;
  pending: Pending;
}

/** A copy of the table that has the effects of all that is written. @throws projection_not_built, projection_behind */
export async function copyUpToDate(
  tx: Queryable,
  definition: ProjectionDefinition,
  progress: Progress,
  limits: PendingLimits,
): Promise<UpToDate> {
  const { cursors } = progress;
  if (!cursors)
    throw projectionErrors.projection_not_built({ detail: `${definition.name} has not been built yet` });
  const columns = await readColumns(tx, definition);
  const table = await makeCopy(tx, definition, 'actual');
  await tx.run(sql`
    insert into ${table} (${names(columns.written)})
    select ${names(columns.written)} from ${identifier(liveName(definition))}`);
  const pending = await applyPending(tx, definition, { progress: { ...progress, cursors }, table }, limits);
  return { table, columns, progress, pending };
}

/** A swap of the table cannot come in between: taken before the first query, and so before the snapshot. */
export async function holdTable(tx: Queryable, definition: ProjectionDefinition): Promise<void> {
  await tx.run(sql`lock table ${identifier(liveName(definition))} in access share mode`);
}

/** @param tx a snapshot that nothing has been read in yet */
export async function verifyIn(
  tx: Queryable,
  definition: ProjectionDefinition,
  { sample, ...limits }: PendingLimits & { sample: { rows: number; seed: number } | undefined },
): Promise<Verification> {
  await holdTable(tx, definition);
  const { table, columns, pending } = await copyUpToDate(
    tx,
    definition,
    await readProgress(tx, definition),
    limits,
  );
  const expected = await makeCopy(tx, definition, 'expected');
  const where = unsettled(definition);
  await tx.run(sql`
    insert into ${expected} (${names(columns.compared)})
    select ${names(columns.compared)} from (${definition.truth}) as truth where ${where}`);
  const settled = await tx.first<{ rows: string }>(sql`
    select count(*) as rows from ${table} where not (${where})`);
  const comparison = await compare(tx, { expected, actual: table, where, columns, sample });
  return {
    name: definition.name,
    ...comparison,
    isSample: sample !== undefined,
    rowsSettled: Number(settled?.rows ?? 0),
    eventsPending: pending.events,
    parkedKeys: pending.parkedKeys,
    refusedTotal: pending.refused.length,
    refused: pending.refused.slice(0, REFUSED_MAX),
  };
}
