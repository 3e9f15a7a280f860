-- Tells an installation from the copies that are restored from its backups: a restore gives the copy another id.
create table core.backup_incarnation (
  only_row boolean primary key default true check (only_row),
  id uuid not null default gen_random_uuid()
);
insert into core.backup_incarnation default values;
