-- Events committed with the rows they tell of, on their way to the log. A row lives for milliseconds.

create sequence core.outbox_seq;

-- The transaction's id is made before the number is drawn. So whoever sees a number knows that each lower one belongs
-- to a transaction with an id below the next: when all those have ended, no lower number can still appear. This is what
-- lets the relay begin its reads above the rows that are dead but not yet vacuumed.
create function core.next_outbox_seq() returns bigint
language plpgsql volatile as $$
begin
  perform pg_catalog.pg_current_xact_id();
  return pg_catalog.nextval('core.outbox_seq');
end
$$;

create table core.outbox (
  seq bigint primary key default core.next_outbox_seq(),
  event_id bigint not null,
  workspace_id bigint not null,
  created_at timestamptz not null,
  stream_id integer,
  bytes integer not null,
  partition smallint not null,
  bucket smallint not null,
  type text not null,
  key text not null,
  traceparent text,
  payload json not null,
  constraint outbox_stream_known check (stream_id is not null)
) with (
  -- Vacuumed by number of rows, not by share of the table, and without pauses. Its file is never cut shorter, because
  -- that takes a lock for which writers wait.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = off,
  toast.autovacuum_vacuum_cost_delay = 0,
  toast.vacuum_truncate = off
);

-- No number below `seq` can still appear.
create table core.outbox_floor (
  is_only boolean primary key default true check (is_only),
  seq bigint not null
) with (fillfactor = 10);
insert into core.outbox_floor (seq) values (0);

grant usage on schema core to loadstone_app;
grant usage on sequence core.outbox_seq to loadstone_app, loadstone_system;
grant execute on function core.next_outbox_seq() to loadstone_app, loadstone_system;
grant insert on core.outbox to loadstone_app;
grant select, insert, delete on core.outbox to loadstone_system;
grant select, update (seq) on core.outbox_floor to loadstone_system;
