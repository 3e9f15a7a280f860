-- Which processes live. Each writes its own row every few seconds; how long one has been silent is told by the database's
-- clock alone. Of the server itself, so of no workspace.
create table core.processes (
  process_id text primary key,
  host text not null,
  pid integer not null,
  role text not null,
  state text not null,
  systems text[] not null,
  address text,
  version text not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
) with (fillfactor = 50);

grant select, insert, update, delete on core.processes to loadstone_system;
