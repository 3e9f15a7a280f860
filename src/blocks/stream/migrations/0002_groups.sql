-- Consumer groups: who is in them, which member works on which partition, and how far each partition has come. Of the
-- server itself, so of no workspace.

-- `beat` grows while the member lives; the others judge by their own clocks how long it has stood still.
create table core.stream_members (
  stream_id integer not null,
  group_name text not null,
  member text not null,
  beat bigint not null,
  primary key (stream_id, group_name, member)
) with (fillfactor = 50);

-- `position` is that of the last event whose effect is committed, or which has been set aside. `epoch` is the fence: it
-- grows whenever the partition changes hands. `is_expired`: retention has dropped events after `position`.
create table core.stream_offsets (
  stream_id integer not null,
  group_name text not null,
  partition smallint not null,
  position bigint not null,
  holder text,
  epoch bigint not null default 0,
  is_expired boolean not null default false,
  primary key (stream_id, group_name, partition)
) with (fillfactor = 30);

-- Events that a group could not handle, and later ones of the same key, which wait behind them. Copies, so that they
-- outlive the log's retention. The lowest position of a key is the one to try; `parked_at` says that it no longer is.
create table core.stream_aside (
  stream_id integer not null,
  group_name text not null,
  partition smallint not null,
  position bigint not null,
  event_id bigint not null,
  workspace_id bigint not null,
  bucket smallint not null,
  created_at timestamptz not null,
  type text not null,
  key text not null,
  traceparent text,
  payload json not null,
  bytes integer not null,
  attempts integer not null,
  retry_at timestamptz not null,
  parked_at timestamptz,
  error text,
  primary key (stream_id, group_name, position)
);
create index stream_aside_key on core.stream_aside
  (stream_id, group_name, partition, workspace_id, key, position);
create index stream_aside_parked on core.stream_aside (stream_id, group_name, position) where parked_at is not null;

grant select, insert, update, delete on core.stream_members, core.stream_offsets, core.stream_aside
  to loadstone_system;

-- Members are fenced off before what they have set aside is looked for: one that is committing has either done so by
-- then, and its rows are seen, or it fails.
create function core.seek_stream_group(_stream_id integer, _group text, _position bigint) returns void
language sql as $$
  update core.stream_offsets set position = _position, holder = null, epoch = epoch + 1, is_expired = false
  where stream_id = _stream_id and group_name = _group;
  delete from core.stream_aside where stream_id = _stream_id and group_name = _group and position > _position;
$$;
