-- The log. Its one writer is the relay, which moves events here from the outbox, a batch at a time.

create table core.streams (
  stream_id integer generated always as identity primary key,
  name text not null constraint streams_name_once unique,
  partitions smallint not null check (partitions between 1 and 256),
  created_at timestamptz not null default now()
);

-- The position of the newest event of all. A batch takes its positions by moving it on, and so holds its row until it
-- has committed: no event becomes visible before one of a lower position. Sealing a segment moves it on as well.
create table core.stream_head (
  is_only boolean primary key default true check (is_only),
  position bigint not null
) with (fillfactor = 10);
insert into core.stream_head (position) values (0);

-- The position of the newest event of each stream: one look tells a process which of its consumers have work.
create table core.stream_heads (
  stream_id integer primary key,
  position bigint not null
) with (fillfactor = 30);

-- `bytes` is the length of the payload, so that a read can be bounded without looking at any. `json`, not `jsonb`:
-- a payload is given back exactly as it came (jsonb refuses \u0000 and rounds and reorders the rest).
create table core.stream_events (
  position bigint not null,
  event_id bigint not null,
  workspace_id bigint not null,
  created_at timestamptz not null,
  stream_id integer not null,
  bytes integer not null,
  partition smallint not null,
  bucket smallint not null,
  type text not null,
  key text not null,
  traceparent text,
  payload json not null
) partition by range (position);

create index stream_events_partition on core.stream_events (stream_id, partition, position);
create index stream_events_key on core.stream_events (stream_id, workspace_id, key, position);
create index stream_events_age on core.stream_events using brin (created_at);

-- Ranges of positions, each a table of its own (`stream_events_<segment>`), so that old events go by a drop.
create table core.stream_segments (
  segment bigint generated always as identity primary key,
  from_position bigint not null,
  to_position bigint not null check (to_position > from_position),
  made_at timestamptz not null,
  sealed_at timestamptz
);

-- The server does not own the tables it works on, so that it cannot alter them; this much it may do.
create function core.add_stream_segment(positions bigint, until bigint, at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  number bigint;
  start bigint;
begin
  -- One at a time, also over processes; the lock lasts until the transaction ends.
  perform pg_advisory_xact_lock(7305126812);
  select coalesce(max(s.to_position), (select h.position + 1 from core.stream_head h)) into start
    from core.stream_segments s;
  if start >= until then
    return;
  end if;
  insert into core.stream_segments (from_position, to_position, made_at) values (start, start + positions, at)
    returning segment into number;
  -- Made apart and then attached: this way nobody who reads or writes the log has to wait.
  execute format('create table core.stream_events_%s (like core.stream_events including all)', number);
  execute format(
    'alter table core.stream_events attach partition core.stream_events_%s for values from (%s) to (%s)',
    number, start, start + positions);
end
$$;

-- False if the log is in use by a statement that does not end: everybody would wait behind the drop. Only the oldest
-- segment can go. Partitions of groups that have not read all of it are told so (0002_groups.sql) in the same transaction,
-- and are taken from whoever has a batch of them in hand.
create function core.drop_stream_segment(number bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
begin
  perform pg_advisory_xact_lock(7305126812);
  if number is distinct from (select min(s.segment) from core.stream_segments s) then
    return true;
  end if;
  if not exists (select from core.stream_segments s where s.segment = number and s.sealed_at is not null) then
    raise exception 'segment % is not sealed', number;
  end if;
  lock table core.stream_events in access exclusive mode;
  update core.stream_offsets o set is_expired = true, holder = null, epoch = o.epoch + 1
    from core.stream_segments s
    where s.segment = number and exists (
      select from core.stream_events e
      where e.stream_id = o.stream_id and e.partition = o.partition and e.position > o.position
        and e.position >= s.from_position and e.position < s.to_position
    );
  execute format('drop table core.stream_events_%s', number);
  delete from core.stream_segments s where s.segment = number;
  return true;
exception when lock_not_available then
  return false;
end
$$;

revoke all on function core.add_stream_segment(bigint, bigint, timestamptz), core.drop_stream_segment(bigint) from public;
grant execute on function core.add_stream_segment(bigint, bigint, timestamptz), core.drop_stream_segment(bigint) to loadstone_system;
grant select, insert (name, partitions) on core.streams to loadstone_system;
grant select, update (position) on core.stream_head to loadstone_system;
grant select, insert, update (position) on core.stream_heads to loadstone_system;
grant select, insert on core.stream_events to loadstone_system;
grant select, update (sealed_at) on core.stream_segments to loadstone_system;

-- Who writes an event finds out here whether its stream exists.
grant usage on schema core to loadstone_app;
grant select on core.streams to loadstone_app;
