/**
 * The rows of all tables, for a Postgres whose files are out of reach: one REPEATABLE READ snapshot, a file in COPY's text
 * format for each table. The tables themselves are made by migrations when it is restored; what is made at run time
 * (the segments of the log, the days of the job history) is told by the manifest.
 */
import { type CopiedTable, type LoginConnection, sql } from '#blocks/database';
import type { Sink } from './physical.ts';
import { readMigrationState } from './postgres-connection.ts';
import type { LogicalTables, Manifest } from './repository/manifest.ts';

interface FoundTable extends CopiedTable {
  columns: string[];
  parent: string | null;
  bounds: string | null;
}

/** Shadows of a rebuild that is under way are left out: the next one makes its own. */
const TABLES = sql<FoundTable>`
  select n.nspname as schema, c.relname as name,
    array(select a.attname::text from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      order by a.attnum) as columns,
    parent.relname as parent, pg_get_expr(c.relpartbound, c.oid) as bounds
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_inherits i on i.inhrelid = c.oid
  left join pg_class parent on parent.oid = i.inhparent
  where c.relkind = 'r' and c.relpersistence = 'p'
    and pg_get_userbyid(n.nspowner) = 'loadstone_owner'
    and c.relname not like '%\_shadow'
  order by 1, 2`;

const SEQUENCES = sql<LogicalTables['sequences'][number]>`
  select schemaname as schema, sequencename as name, last_value::text as "lastValue"
  from pg_sequences s
  join pg_namespace n on n.nspname = s.schemaname
  where pg_get_userbyid(n.nspowner) = 'loadstone_owner'
  order by 1, 2`;

const NEWLINE = 10;

/** In COPY's text format a newline ends a row, and one within a value is written `\n`. */
function counting(source: AsyncIterable<Buffer>, onRows: (rows: number) => void) {
  return (async function* count() {
    for await (const piece of source) {
      let rows = 0;
      for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) rows += 1;
      onRows(rows);
      yield piece;
    }
  })();
}

async function takeTable(connection: LoginConnection, sink: Sink, table: FoundTable) {
  let rows = 0;
  const source = counting(connection.copyOut(table), (more) => {
    rows += more;
  });
  const { schema, name, columns } = table;
  const { path } = await sink.store(`tables/${schema}.${name}.copy`, source);
  return { schema, name, columns, path, rows };
}

/** @throws database_unavailable and what the sink throws */
export async function takeRows(
  connection: LoginConnection,
  sink: Sink,
  { signal, copyJournals }: { signal: AbortSignal; copyJournals: () => Promise<void> },
): Promise<Pick<Manifest, 'postgres' | 'migrations' | 'tables'>> {
  // Before the snapshot: what is shipped after the copy is in the rows.
  await copyJournals();
  await connection.run(sql`begin isolation level repeatable read, read only`);
  await connection.run(sql`set local role loadstone_owner`);
  const found = await connection.rows(TABLES);
  const contents: LogicalTables['contents'] = [];
  for (const table of found) {
    signal.throwIfAborted();
    contents.push(await takeTable(connection, sink, table));
  }
  const partitions = found.flatMap(({ schema, name, parent, bounds }) =>
    parent !== null && bounds !== null ? [{ schema, name, parent, bounds }] : [],
  );
  const version = await connection.first<{ version: string }>(
    sql`select current_setting('server_version') as version`,
  );
  const migrations = await readMigrationState(connection);
  // Not of the snapshot, so last: at least as far as any row of it.
  const sequences = await connection.rows(SEQUENCES);
  await connection.run(sql`commit`);
  return {
    postgres: { version: version?.version ?? '' },
    migrations,
    tables: { partitions, contents, sequences },
  };
}
