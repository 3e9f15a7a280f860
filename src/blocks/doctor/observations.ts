/**
 * What an examination asks Postgres: statistics and catalogs only, no row of ours. Each part is one statement.
 */
import { withSignal } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { type Queryable, sql } from '#blocks/database';
import { readHolders, type XminHolder } from './holders.ts';
import { judgedSettings } from './settings.ts';

/** A part that Postgres refuses to tell (another version, missing rights) does not keep the others from being told. */
export type Part<T> = { kind: 'known'; value: T } | { kind: 'unknown'; reason: string };

export interface TableRows {
  /** `schema.table`, quoted for SQL where needed. */
  name: string;
  /** Both as counted by Postgres's statistics. */
  liveRows: number;
  deadRows: number;
  /** Since the last vacuum, by whomever; undefined if there was none since the statistics began. */
  vacuumAgeMs: number | undefined;
  isAutovacuumOff: boolean;
}

export interface DatabaseAge {
  database: string;
  /** How far its oldest unfrozen transaction id, and multixact id, lie behind: the ids end at 2^31. */
  ageTransactions: number;
  ageMultixacts: number;
}

export interface Connections {
  used: number;
  /** Without those that Postgres reserves for superusers. */
  usable: number;
}

export interface DiskUse {
  /** Tables with their indexes and TOAST, this database only. */
  bytes: number;
  /** The largest first, at most five; the partitions of a table count as it. */
  tables: { name: string; bytes: number }[];
}

export interface InvalidIndex {
  /** `schema.index`, quoted for SQL where needed. */
  name: string;
  table: string;
  isUnique: boolean;
  /** Whether writes keep it up to date, for nothing. */
  isReady: boolean;
}

export interface Observations {
  holders: Part<XminHolder[]>;
  /** Whether this role may see what sessions of other logins do. */
  canSeeSessions: Part<boolean>;
  tables: Part<TableRows[]>;
  ages: Part<DatabaseAge[]>;
  /** Postgres settings by name, as they are for the server's own sessions. */
  settings: Part<Record<string, string>>;
  connections: Part<Connections>;
  disk: Part<DiskUse>;
  invalidIndexes: Part<InvalidIndex[]>;
}

/** Tables with the most dead rows, and invalid indexes, that are looked at. */
const TABLES_MAX = 20;
const LARGEST_MAX = 5;

async function readCanSeeSessions(core: Queryable): Promise<boolean> {
  const row = await core.first<{ can: boolean }>(sql`
    select pg_has_role(current_user, 'pg_read_all_stats', 'usage') as can`);
  return row?.can ?? false;
}

async function readTables(core: Queryable): Promise<TableRows[]> {
  const rows = await core.rows<{
    name: string;
    live: string;
    dead: string;
    vacuum_age_ms: number | null;
    is_off: boolean;
  }>(sql`
    select format('%I.%I', s.schemaname, s.relname) as name, s.n_live_tup as live, s.n_dead_tup as dead,
      (extract(epoch from clock_timestamp() - greatest(s.last_autovacuum, s.last_vacuum)) * 1000)::float8
        as vacuum_age_ms,
      exists (
        select from pg_options_to_table(c.reloptions) o
        where o.option_name = 'autovacuum_enabled' and not o.option_value::boolean
      ) as is_off
    from pg_stat_user_tables s
    join pg_class c on c.oid = s.relid
    order by is_off desc, s.n_dead_tup desc, name
    limit ${TABLES_MAX}`);
  return rows.map(({ name, live, dead, vacuum_age_ms, is_off }) => ({
    name,
    liveRows: Number(live),
    deadRows: Number(dead),
    vacuumAgeMs: vacuum_age_ms ?? undefined,
    isAutovacuumOff: is_off,
  }));
}

async function readAges(core: Queryable): Promise<DatabaseAge[]> {
  const rows = await core.rows<{ database: string; transactions: number; multixacts: number }>(sql`
    select datname::text as database, age(datfrozenxid) as transactions, mxid_age(datminmxid) as multixacts
    from pg_database order by transactions desc limit ${TABLES_MAX}`);
  return rows.map(({ database, transactions, multixacts }) => ({
    database,
    ageTransactions: transactions,
    ageMultixacts: multixacts,
  }));
}

async function readSettings(core: Queryable): Promise<Record<string, string>> {
  const rows = await core.rows<{ name: string; setting: string }>(sql`
    select name, setting from pg_settings where name = any(${judgedSettings})`);
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

/** The kind of process is hidden with a session's details: then whatever is connected to a database is counted. */
async function readConnections(core: Queryable): Promise<Connections> {
  const row = await core.first<{ used: number; usable: number }>(sql`
    select
      count(*) filter (where coalesce(backend_type, 'client backend') = 'client backend')::integer as used,
      current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - current_setting('reserved_connections')::integer as usable
    from pg_stat_activity where datid is not null`);
  return { used: row?.used ?? 0, usable: row?.usable ?? 0 };
}

/**
 * Measuring a table waits for whoever has it locked for himself (a migration, a full vacuum): such a table is given the
 * size of its last vacuum.
 */
async function readDisk(core: Queryable): Promise<DiskUse> {
  const rows = await core.rows<{ name: string; bytes: string; total: string }>(sql`
    with sized as (
      select coalesce(pg_partition_root(c.oid), c.oid::regclass) as root,
        case when l.relation is null then pg_total_relation_size(c.oid)
          else c.relpages::bigint * current_setting('block_size')::bigint end as bytes
      from pg_class c
      left join (select distinct relation from pg_locks where mode = 'AccessExclusiveLock') l on l.relation = c.oid
      where c.relkind in ('r', 'm') and c.relpersistence <> 't'
    )
    select format('%I.%I', n.nspname, c.relname) as name, sum(s.bytes) as bytes, sum(sum(s.bytes)) over () as total
    from sized s join pg_class c on c.oid = s.root join pg_namespace n on n.oid = c.relnamespace
    group by 1 order by bytes desc nulls last, name limit ${LARGEST_MAX}`);
  return {
    bytes: Number(rows[0]?.total ?? 0),
    tables: rows.map(({ name, bytes }) => ({ name, bytes: Number(bytes) })),
  };
}

/** One that is being built is not valid yet, and no finding. */
async function readInvalidIndexes(core: Queryable): Promise<InvalidIndex[]> {
  const rows = await core.rows<{ name: string; on_table: string; is_unique: boolean; is_ready: boolean }>(sql`
    select format('%I.%I', n.nspname, c.relname) as name, i.indrelid::regclass::text as on_table,
      i.indisunique as is_unique, i.indisready as is_ready
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_namespace n on n.oid = c.relnamespace
    where not i.indisvalid
      and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
    order by name limit ${TABLES_MAX}`);
  return rows.map(({ name, on_table, is_unique, is_ready }) => ({
    name,
    table: on_table,
    isUnique: is_unique,
    isReady: is_ready,
  }));
}

/**
 * @param queryLengthMax characters told of a session's query; 0 for none
 * @throws database_unavailable, database_busy, and the signal's reason
 */
export async function observe(
  core: Queryable,
  queryLengthMax: number,
  signal: AbortSignal,
): Promise<Observations> {
  async function part<T>(read: (core: Queryable) => Promise<T>): Promise<Part<T>> {
    signal.throwIfAborted();
    try {
      return { kind: 'known', value: await withSignal(read(core), signal) };
    } catch (error) {
      if (!isLoadstoneError(error) || error.code !== 'database_failed') throw error;
      return { kind: 'unknown', reason: describeError(error) };
    }
  }
  return {
    holders: await part(() => readHolders(core, queryLengthMax)),
    canSeeSessions: await part(readCanSeeSessions),
    tables: await part(readTables),
    ages: await part(readAges),
    settings: await part(readSettings),
    connections: await part(readConnections),
    disk: await part(readDisk),
    invalidIndexes: await part(readInvalidIndexes),
  };
}
