-- When backups are taken by the server itself, and what became of the last ones: one row for base backups, one for the
-- write-ahead log. Of a key there is only the name of its file.
create table core.backup_schedules (
  what text collate "C" primary key check (what in ('base', 'wal')),
  pattern text not null,
  directory text not null,
  key_file text,
  keep integer,
  -- Moved on in the transaction that enqueues the run: so each is enqueued once, whoever looks.
  next_run_ms bigint not null,
  last_ended_ms bigint,
  last_good_ms bigint,
  last_took_ms bigint,
  last_bytes bigint,
  -- Of the last run; null when it was good.
  last_error text,
  runs bigint not null default 0,
  failures bigint not null default 0
);
grant select, insert, update, delete on core.backup_schedules to loadstone_system;
