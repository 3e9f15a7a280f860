-- One table, not partitioned by time: a unique key cannot span time partitions, and a request repeated across midnight
-- must find its record. `record_id` is the hash of workspace, principal, route and key. The outcome is sealed.
create table core.idempotency_records (
  record_id bytea not null,
  workspace_id bigint not null,
  bucket smallint not null,
  request_hash bytea not null,
  outcome bytea not null,
  created_at timestamptz not null,
  constraint idempotency_records_once primary key (record_id)
);

create index idempotency_records_age on core.idempotency_records (created_at);

grant usage on schema core to loadstone_app;
grant select, insert on core.idempotency_records to loadstone_app;
-- Locking the rows of a sweep needs the right to update.
grant select, insert, update, delete on core.idempotency_records to loadstone_system;
