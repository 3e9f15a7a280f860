-- as-login
-- The three roles, the schema of the server's own tables, and the record of migrations. The roles are shared by all
-- databases of a Postgres server, so they may be there already; made by a superuser they need no grant to the login.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['loadstone_owner', 'loadstone_app', 'loadstone_system'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin nosuperuser nobypassrls', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
    if not pg_has_role(current_user, wanted, 'set') then
      execute format('grant %I to current_user with set true', wanted);
    end if;
  end loop;
  if not has_database_privilege('loadstone_owner', current_database(), 'create') then
    execute format('grant create on database %I to loadstone_owner', current_database());
  end if;
end
$$;

set local role loadstone_owner;

create schema core;
grant usage on schema core to loadstone_system;

create table core.migrations (
  room text not null,
  number integer not null,
  name text not null,
  checksum text not null,
  min_compatible integer not null,
  applied_at timestamptz not null default now(),
  primary key (room, number)
);
grant select on core.migrations to loadstone_system;

create table core.workspaces (
  workspace_id bigint primary key,
  bucket smallint not null,
  name text not null,
  created_at timestamptz not null default now()
);
grant select on core.workspaces to loadstone_system;

-- The one workspace until people can make their own.
insert into core.workspaces (workspace_id, bucket, name) values (1, 0, 'default');
