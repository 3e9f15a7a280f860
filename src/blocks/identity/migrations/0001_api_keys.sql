-- Keys are kept as SHA-256: they are random and long, so a slow hash would only slow the server.
create table core.api_keys (
  workspace_id bigint not null,
  bucket smallint not null,
  key_id text not null,
  hash bytea not null,
  created_at timestamptz not null default now(),
  primary key (workspace_id, key_id),
  constraint api_keys_hash unique (hash)
);
grant select, insert, update on core.api_keys to loadstone_system;
