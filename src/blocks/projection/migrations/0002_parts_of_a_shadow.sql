-- core.make_shadow in parts with names, which it alone calls.

-- Gives a table the privileges of another, and no others.
create function core.copy_privileges(live oid, shadow text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  each record;
begin
  -- Default privileges have given it some, which need not be those of the table.
  for each in
    select distinct case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
    from pg_class c cross join aclexplode(c.relacl) where c.oid = shadow::regclass and grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', shadow, each.grantee);
  end loop;
  for each in
    select case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee,
      privilege_type || coalesce(' (' || quote_ident(columns.name) || ')', '') as privilege,
      case when is_grantable then ' with grant option' else '' end as addition
    from (
      select null::name as name, c.relacl as acl from pg_class c where c.oid = live
      union all
      select attname, attacl from pg_attribute where attrelid = live and not attisdropped
    ) as columns cross join aclexplode(columns.acl)
  loop
    execute format('grant %s on %s to %s%s', each.privilege, shadow, each.grantee, each.addition);
  end loop;
end
$$;

-- Gives a table the policies of another, its row security and its comment.
create function core.copy_policies(live oid, shadow text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  each record;
begin
  for each in
    select polname, case when polpermissive then 'permissive' else 'restrictive' end as kind,
      case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
        else 'all' end as command,
      (select string_agg(case role when 0 then 'public' else quote_ident(pg_get_userbyid(role)) end, ', ')
        from unnest(polroles) as role) as roles,
      coalesce(' using (' || pg_get_expr(polqual, polrelid) || ')', '') as rows_seen,
      coalesce(' with check (' || pg_get_expr(polwithcheck, polrelid) || ')', '') as rows_written
    from pg_policy where polrelid = live
  loop
    execute format('create policy %I on %s as %s for %s to %s%s%s', each.polname, shadow, each.kind, each.command,
      each.roles, each.rows_seen, each.rows_written);
  end loop;
  for each in
    select relrowsecurity, relforcerowsecurity, obj_description(oid, 'pg_class') as comment
    from pg_class where oid = live
  loop
    if each.relrowsecurity then execute format('alter table %s enable row level security', shadow); end if;
    if each.relforcerowsecurity then execute format('alter table %s force row level security', shadow); end if;
    if each.comment is not null then execute format('comment on table %s is %L', shadow, each.comment); end if;
  end loop;
end
$$;

-- Makes an empty table that is like another one in all that `table_shape` tells and that can be carried over; what
-- cannot is left to `shape_differences`. A shadow of this name that somebody has left behind is dropped.
create or replace function core.make_shadow(live oid, shadow_name text) returns oid
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  shadow text;
  each record;
begin
  select format('%I.%I', n.nspname, shadow_name) into shadow
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = live;
  execute format('drop table if exists %s', shadow);
  execute format('create table %s (like %s including all excluding statistics)', shadow, live::regclass);

  for each in
    select option from pg_class c cross join unnest(c.reloptions) as option where c.oid = live
    union all
    select 'toast.' || option
      from pg_class c join pg_class t on t.oid = c.reltoastrelid cross join unnest(t.reloptions) as option
      where c.oid = live
  loop
    execute format('alter table %s set (%s)', shadow, each.option);
  end loop;

  for each in
    select attname, attstattarget from pg_attribute
    where attrelid = live and attnum > 0 and not attisdropped and attstattarget >= 0
  loop
    execute format('alter table %s alter column %I set statistics %s', shadow, each.attname, each.attstattarget);
  end loop;

  perform core.copy_privileges(live, shadow);
  perform core.copy_policies(live, shadow);
  return shadow::regclass;
end
$$;

revoke all on function core.copy_privileges(oid, text), core.copy_policies(oid, text) from public;
