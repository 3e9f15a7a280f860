-- How far each journal has been shipped: `next` is the sequence of the first record that has not been. Moved in the
-- transaction that holds what the records become, which is what makes them count exactly once. Workspace and bucket say
-- where the records go. A journal whose directory is gone is finished; its row stays for a while, so that a directory
-- that comes back (an old copy of the disk) is not shipped again.
create table core.journal_offsets (
  journal_id text primary key,
  workspace_id bigint not null,
  bucket smallint not null,
  next bigint not null check (next >= 0),
  updated_at timestamptz not null default now(),
  finished_at timestamptz
) with (fillfactor = 50);

create index journal_offsets_finished on core.journal_offsets (finished_at) where finished_at is not null;

grant select, insert, update (next, updated_at, finished_at), delete on core.journal_offsets to loadstone_system;
