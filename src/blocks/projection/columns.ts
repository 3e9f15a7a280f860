/**
 * The columns of a projection's table.
 */
import assert from 'node:assert/strict';
import { identifier, nothing, type Queryable, type Sql, sql } from '#blocks/database';
import { liveName, type ProjectionDefinition } from './definition.ts';

export interface Columns {
  /** Those of the primary key, in its order. */
  key: readonly string[];
  /** Those that the truth has. */
  compared: readonly string[];
  /** All that can be written: without generated ones. */
  written: readonly string[];
}

export async function readColumns(tx: Queryable, definition: ProjectionDefinition): Promise<Columns> {
  const name = liveName(definition);
  const rows = await tx.rows<{ name: string; place: number | null; generated: boolean }>(sql`
    select a.attname::text as name, array_position((i.indkey::smallint[])[0:i.indnkeyatts - 1], a.attnum) as place,
      a.attgenerated <> '' as generated
    from pg_catalog.pg_attribute a
    left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisprimary
    where a.attrelid = to_regclass(${name}) and a.attnum > 0 and not a.attisdropped
    order by a.attnum`);
  const uncompared = new Set(definition.uncompared);
  const written = rows.filter(({ generated }) => !generated).map((row) => row.name);
  const key = rows
    .filter(({ place }) => place !== null)
    .sort((a, b) => Number(a.place) - Number(b.place))
    .map((row) => row.name);
  assert(key.length > 0, `${name} is no table with a primary key`);
  for (const each of uncompared)
    assert(written.includes(each) && !key.includes(each), `not comparable: ${each}`);
  return { key, compared: written.filter((each) => !uncompared.has(each)), written };
}

/** The fragments, with a comma between each two. */
export function list(fragments: readonly Sql[]): Sql {
  return fragments.reduce((all, each) => (all === nothing ? each : sql`${all}, ${each}`), nothing);
}

/** The names, for a list of columns; those of one table, if it is given. */
export function names(columns: readonly string[], table?: string): Sql {
  return list(
    columns.map((each) => (table === undefined ? identifier(each) : identifier(`${table}.${each}`))),
  );
}

/** The rows of the table that are compared: a condition. */
export function unsettled({ settled }: ProjectionDefinition): Sql {
  return settled ? sql`(${settled}) is not true` : sql`true`;
}
