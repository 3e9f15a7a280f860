/**
 * The shadow of a projection's table: like it in all but its rows, until it takes its place.
 */
import { identifier, type Queryable, sql } from '#blocks/database';
import { liveName, type ProjectionDefinition, shadowName, shadowTable } from './definition.ts';
import { projectionErrors } from './errors.ts';

/** The two tables of a rebuild, by what Postgres knows them by: names may come to mean others. */
export interface Pair {
  live: string;
  shadow: string;
}

const PROBLEMS_MAX = 5;

async function differences(tx: Queryable, { live, shadow }: Pair): Promise<string[]> {
  const row = await tx.first<{ lines: string[] }>(sql`
    select core.shape_differences(${live}::oid, ${shadow}::oid) as lines`);
  return (row?.lines ?? []).slice(0, PROBLEMS_MAX);
}

/**
 * Makes the shadow, in a transaction of the owner; one that was left behind is dropped.
 * @throws projection_table_unsupported
 */
export async function makeShadow(tx: Queryable, definition: ProjectionDefinition): Promise<Pair> {
  await tx.run(sql`lock table ${identifier(liveName(definition))} in access share mode`);
  const row = await tx.first<Pair>(sql`
    select live::oid::text as live, core.make_shadow(live, ${shadowTable(definition)})::text as shadow
    from (select ${liveName(definition)}::regclass as live) as tables`);
  const pair = row as Pair;
  const problems = await differences(tx, pair);
  if (problems.length === 0) return pair;
  const detail = `${liveName(definition)} has what a copy of it would not have: ${problems.join('; ')}`;
  throw projectionErrors.projection_table_unsupported({ detail });
}

/**
 * Takes a lock on the shadow, and makes sure that it is still the one that this rebuild has made.
 * @throws rebuild_running
 */
export async function holdShadow(
  tx: Queryable,
  definition: ProjectionDefinition,
  { shadow }: Pair,
): Promise<void> {
  const name = shadowName(definition);
  const found = await tx.first<{ is_there: boolean }>(
    sql`select to_regclass(${name}) = ${shadow}::oid as is_there`,
  );
  if (found?.is_there !== true) throw lost(definition);
  await tx.run(sql`lock table ${identifier(name)} in row exclusive mode`);
  const held = await tx.first<{ is_there: boolean }>(
    sql`select to_regclass(${name}) = ${shadow}::oid as is_there`,
  );
  if (held?.is_there !== true) throw lost(definition);
}

function lost({ name }: ProjectionDefinition): Error {
  return projectionErrors.rebuild_running({
    detail: `another rebuild of ${name} has taken over from this one`,
  });
}

/**
 * Locks both tables against everybody, in a transaction of the owner. Whoever has them in use finishes first.
 * @throws rebuild_running, rebuild_overtaken
 */
export async function holdBoth(tx: Queryable, definition: ProjectionDefinition, pair: Pair): Promise<void> {
  await tx.run(sql`lock table ${identifier(liveName(definition))} in access exclusive mode`);
  await holdShadow(tx, definition, pair);
  const found = await tx.first<{ is_there: boolean }>(sql`
    select ${liveName(definition)}::regclass = ${pair.live}::oid as is_there`);
  const changes = found?.is_there === true ? await differences(tx, pair) : ['it is another table'];
  if (changes.length === 0) return;
  const detail = `${liveName(definition)} was changed since the rebuild began: ${changes.join('; ')}`;
  throw projectionErrors.rebuild_overtaken({ detail });
}

/** Puts the shadow in the place of the table, under its names. Both are held. */
export async function swapShadow(tx: Queryable, { live, shadow }: Pair): Promise<void> {
  await tx.run(sql`select core.swap_shadow(${live}::oid, ${shadow}::oid)`);
}

/** No effect when it is another one by now, or has taken its place. */
export async function dropShadow(
  tx: Queryable,
  definition: ProjectionDefinition,
  { shadow }: Pair,
): Promise<void> {
  await tx.run(sql`select core.drop_shadow(${shadowName(definition)}, ${shadow}::oid)`);
}
