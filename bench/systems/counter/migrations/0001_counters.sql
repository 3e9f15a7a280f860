-- Aggregates that are locked and counted by each call.
create table counter.counters (
  workspace_id bigint not null,
  bucket smallint not null,
  counter text not null,
  n bigint not null,
  primary key (workspace_id, counter)
);
create table counter.entries (
  workspace_id bigint not null,
  bucket smallint not null,
  counter text not null,
  n bigint not null,
  text text not null,
  primary key (workspace_id, counter, n)
);
