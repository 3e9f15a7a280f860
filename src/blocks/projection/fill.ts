/**
 * Fills a shadow from the truth, and says from where on events are still to be applied to it.
 */
import { identifier, type Queryable, sql } from '#blocks/database';
import { names, readColumns, unsettled } from './columns.ts';
import { type ProjectionDefinition, shadowName } from './definition.ts';
import { projectionErrors } from './errors.ts';
import { readWaitingIds } from './events.ts';
import type { PendingLimits } from './pending.ts';
import { type Progress, readProgress } from './progress.ts';
import { holdShadow, type Pair } from './shadow.ts';
import { copyUpToDate, holdTable } from './verify.ts';

export interface Filled {
  progress: Progress;
  rows: number;
  /** Events that come in the log after `progress.head` although the shadow has their effects already. */
  waiting: Set<string>;
}

/**
 * The snapshot has the effects of exactly those events that it shows in the log or in the outbox, because events are
 * committed with the rows they tell of, and moved to the log as a whole.
 * @param tx a snapshot that nothing has been read in yet
 */
export async function fillShadow(
  tx: Queryable,
  definition: ProjectionDefinition,
  pair: Pair,
  limits: PendingLimits,
): Promise<Filled> {
  // A migration may want the table while it is being rebuilt: it is held only if it is read.
  if (definition.settled) await holdTable(tx, definition);
  await holdShadow(tx, definition, pair);
  const progress = await readProgress(tx, definition);
  const ids = await readWaitingIds(tx, progress.streamId, limits.pendingMax);
  if (ids.length > limits.pendingMax) {
    const detail = `more than ${limits.pendingMax} events of ${definition.stream} wait in the outbox (projection.pendingMax)`;
    throw projectionErrors.projection_behind({ detail, retryAfterS: 10 });
  }
  const { compared } = await readColumns(tx, definition);
  const shadow = identifier(shadowName(definition));
  const fromTruth = await tx.run(sql`
    insert into ${shadow} (${names(compared)})
    select ${names(compared)} from (${definition.truth}) as truth where ${unsettled(definition)}`);
  const carriedOver =
    definition.settled && progress.cursors ? await carryOver(tx, definition, progress, limits) : 0;
  return { progress, rows: fromTruth + carriedOver, waiting: new Set(ids) };
}

/** Settled rows come from the table, with the effects of all that it does not have yet: the group will not see those. */
async function carryOver(
  tx: Queryable,
  definition: ProjectionDefinition,
  progress: Progress,
  limits: PendingLimits,
): Promise<number> {
  const { table, columns, pending } = await copyUpToDate(tx, definition, progress, limits);
  const [refused] = pending.refused;
  if (refused) {
    const detail = `event ${refused.eventId} of key ${refused.key}, which settled rows may depend on: ${refused.error}`;
    throw projectionErrors.rebuild_refused_event({ detail });
  }
  return tx.run(sql`
    insert into ${identifier(shadowName(definition))} (${names(columns.written)})
    select ${names(columns.written)} from ${table} where not (${unsettled(definition)})`);
}
