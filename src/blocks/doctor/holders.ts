/**
 * What holds back vacuum. Postgres removes a dead row when no snapshot can see it any more: when the transaction that
 * deleted it is older than the oldest transaction that anybody still has to see, the xmin horizon. Four things keep
 * that horizon where it is: a session's transaction or snapshot, a prepared transaction, a replication slot, and a
 * standby that reports its own snapshots (`hot_standby_feedback`). Source: ComputeXidHorizons in Postgres's procarray.c.
 */
import { formatWhole } from '#base/values/numbers';
import { type Queryable, sql } from '#blocks/database';
import { formatDuration, printable } from './amounts.ts';

/** What a holder keeps from being removed: rows of this database, of the system catalogs, or of the shared ones only. */
export type Held = 'rows' | 'catalogs' | 'shared_catalogs';

interface Hold {
  holds: Held;
  /** The oldest transaction id that it has to see, as Postgres counts them (32 bits, wrapping). */
  xid: string;
  /** Transactions that were given an id since. */
  ageTransactions: number;
  /** At most; undefined when Postgres does not tell. */
  ageMs: number | undefined;
  /** When the transaction began, or the slot was last in use. */
  since: Date | undefined;
  /** Whether the transaction has an id of its own, which holds until its end; else it is a snapshot that holds. */
  isWriting: boolean;
}

export type XminHolder = Hold &
  (
    | {
        kind: 'session';
        pid: number;
        user: string;
        database: string;
        application: string;
        /** Its address; undefined on a Unix socket, and when it cannot be seen. */
        client: string | undefined;
        /** Such as `client backend` or `autovacuum worker`. */
        process: string | undefined;
        state: string | undefined;
        /** The beginning of what it runs or, when idle, ran last; empty when not told. */
        query: string;
        /** Whether this role may see what the session does. */
        isVisible: boolean;
      }
    | { kind: 'standby'; pid: number; user: string; application: string; client: string | undefined }
    | { kind: 'prepared_transaction'; gid: string; user: string; database: string; rollback: string }
    | { kind: 'replication_slot'; slot: string; slotType: string; isActive: boolean; drop: string }
  );

interface Row {
  kind: XminHolder['kind'];
  holds: Held;
  xid: string;
  age: number;
  since: Date | null;
  age_ms: number | null;
  pid: number | null;
  username: string | null;
  database: string | null;
  application: string | null;
  client: string | null;
  process: string | null;
  state: string | null;
  query: string | null;
  is_visible: boolean;
  name: string | null;
  slot_type: string | null;
  is_active: boolean;
  is_writing: boolean;
  command: string | null;
}

/** Of each sort of hold: a crowd of sessions does not hide a slot. */
const HOLDERS_MAX = 10;

/**
 * A vacuum has a snapshot that holds nothing back, and a parallel worker has its leader's. A transaction in another
 * database only keeps rows of the catalogs that all databases share. Whoever takes a snapshot while a transaction is open
 * has that transaction's id as its horizon: so among equals the one whose own id it is comes first, then the longest.
 */
function holdersQuery(queryLengthMax: number) {
  return sql<Row>`
    with held as (
      select
        case when a.datid is null and coalesce(a.backend_type, 'walsender') = 'walsender'
          then 'standby' else 'session' end as kind,
        case when a.datid is null or a.datname = current_database() then 'rows' else 'shared_catalogs' end as holds,
        case when coalesce(age(a.backend_xid), -1) >= coalesce(age(a.backend_xmin), -1)
          then a.backend_xid else a.backend_xmin end as xid,
        a.xact_start as since, a.pid, a.usename::text as username, a.datname::text as database,
        a.application_name as application, host(a.client_addr) as client, a.backend_type as process, a.state,
        left(a.query, ${queryLengthMax}) as query, a.backend_start is not null as is_visible,
        null::text as name, null::text as slot_type, true as is_active,
        a.backend_xid is not null as is_writing,
        coalesce(age(a.backend_xid) >= coalesce(age(a.backend_xmin), -1), false) as is_own, null::text as command
      from pg_stat_activity a
      where (a.backend_xid is not null or a.backend_xmin is not null) and a.pid <> pg_backend_pid()
        and a.leader_pid is null and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)
      union all
      select 'prepared_transaction',
        case when p.database = current_database() then 'rows' else 'shared_catalogs' end,
        p.transaction, p.prepared, null, p.owner::text, p.database::text,
        null, null, null, null, null, true, p.gid, null, true, true, true, format('rollback prepared %L', p.gid)
      from pg_prepared_xacts p
      union all
      select 'replication_slot', h.holds, h.xid, s.inactive_since, s.active_pid, null, s.database::text,
        null, null, null, null, null, true, s.slot_name::text, s.slot_type, s.active, false, false,
        format('select pg_drop_replication_slot(%L)', s.slot_name)
      from pg_replication_slots s
      cross join lateral (values ('rows', s.xmin), ('catalogs', s.catalog_xmin)) as h (holds, xid)
      where h.xid is not null
    ), ranked as (
      select held.*, age(xid) as age,
        row_number() over (partition by holds order by age(xid) desc, is_own desc, since nulls last) as rank
      from held
    )
    select kind, holds, xid::text as xid, age, since,
      (extract(epoch from clock_timestamp() - since) * 1000)::float8 as age_ms,
      pid, username, database, application, client, process, state, query, is_visible,
      name, slot_type, is_active, is_writing, command
    from ranked where rank <= ${HOLDERS_MAX}
    order by age desc, is_own desc, since nulls last`;
}

/** Everything that holds back vacuum right now, the oldest first; at most ten of each sort of hold. One statement. */
export async function readHolders(core: Queryable, queryLengthMax: number): Promise<XminHolder[]> {
  const rows = await core.rows(holdersQuery(queryLengthMax));
  return rows.map(toHolder);
}

function toHolder(row: Row): XminHolder {
  const hold = {
    holds: row.holds,
    xid: row.xid,
    ageTransactions: row.age,
    ageMs: row.age_ms === null ? undefined : Math.max(0, Math.round(row.age_ms)),
    since: row.since ?? undefined,
    isWriting: row.is_writing,
  };
  const { kind, is_visible: isVisible } = row;
  const user = printable(row.username ?? '');
  const database = printable(row.database ?? '');
  const name = printable(row.name ?? '');
  const session = {
    pid: row.pid ?? 0,
    user,
    application: printable(row.application ?? ''),
    client: row.client ?? undefined,
  };
  const command = printable(row.command ?? '');
  switch (kind) {
    case 'session': {
      const query = isVisible ? printable(row.query ?? '') : '';
      const process = row.process ?? undefined;
      return {
        ...hold,
        kind,
        ...session,
        database,
        process,
        state: row.state ?? undefined,
        query,
        isVisible,
      };
    }
    case 'standby':
      return { ...hold, kind, ...session };
    case 'prepared_transaction':
      return { ...hold, kind, gid: name, user, database, rollback: command };
    case 'replication_slot': {
      const { slot_type: slotType, is_active: isActive } = row;
      return { ...hold, kind, slot: name, slotType: slotType ?? '', isActive, drop: command };
    }
  }
}

/** The same for the same owner at each look. */
export function holderKey(holder: XminHolder): string {
  switch (holder.kind) {
    case 'session':
    case 'standby':
      return `${holder.kind} ${holder.pid}`;
    case 'prepared_transaction':
      return `${holder.kind} ${holder.gid}`;
    case 'replication_slot':
      return `${holder.kind} ${holder.slot} ${holder.holds}`;
  }
}

function where({
  user,
  application,
  client,
}: {
  user: string;
  application: string;
  client: string | undefined;
}) {
  const parts = [
    user && `user ${user}`,
    application && `application ${application}`,
    client && `from ${client}`,
  ];
  return parts.filter(Boolean).join(', ');
}

/** Who it is, in words for a person: `session 4711 (user shop, application psql, idle in transaction)`. */
export function describeHolder(holder: XminHolder): string {
  switch (holder.kind) {
    case 'session': {
      const { process = 'client backend', state, isVisible, pid, database } = holder;
      if (!isVisible) return `another session (details not visible): process ${pid}, ${where(holder)}`;
      const who = process === 'client backend' ? 'session' : process;
      const place = holder.holds === 'shared_catalogs' ? ` in database ${database}` : '';
      return `${who} ${pid}${place} (${where(holder)}${state === undefined ? '' : `, ${state}`})`;
    }
    case 'standby':
      return `a standby, by its hot_standby_feedback (process ${holder.pid}, ${where(holder)})`;
    case 'prepared_transaction':
      return `the prepared transaction ${holder.gid} (user ${holder.user}, database ${holder.database})`;
    case 'replication_slot': {
      const { slot, slotType, isActive } = holder;
      return `the ${slotType} replication slot ${slot}${isActive ? '' : ' (not in use)'}`;
    }
  }
}

/** `for 12 min and 34,567 transactions`. */
export function describeAge({ ageMs, ageTransactions }: XminHolder): string {
  const transactions = `${formatWhole(ageTransactions)} transaction${ageTransactions === 1 ? '' : 's'}`;
  return ageMs === undefined ? `for ${transactions}` : `for ${formatDuration(ageMs)} and ${transactions}`;
}
