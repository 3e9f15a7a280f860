-- A projection is rebuilt into a shadow of its table, which then takes the table's place. What these functions do is done
-- by the owner of the tables (`Database.alter`) and by nobody else.

-- All that makes a table what it is for those who use it, but for its rows, its own name and the names of its indexes:
-- one line for each thing. What depends on the table, and would not follow its name, is in it too.
create function core.table_shape(it oid) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_agg(line order by line) from (
    select concat_ws(' ', 'table', c.relkind, c.relpersistence, 'row security', c.relrowsecurity,
        c.relforcerowsecurity, 'owner', pg_get_userbyid(c.relowner), 'identity', c.relreplident, 'space',
        c.reltablespace, 'method', am.amname, 'of', c.reloftype, 'comment', obj_description(c.oid, 'pg_class')) as line
      from pg_class c left join pg_am am on am.oid = c.relam where c.oid = it
    union all
    select 'option ' || option from pg_class c cross join unnest(c.reloptions) as option where c.oid = it
    union all
    select 'option toast.' || option
      from pg_class c join pg_class t on t.oid = c.reltoastrelid cross join unnest(t.reloptions) as option
      where c.oid = it
    union all
    select concat_ws(' ', 'column', row_number() over (order by a.attnum), a.attname,
        format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull, 'default', pg_get_expr(d.adbin, d.adrelid),
        'generated', a.attgenerated, a.attidentity, 'collation', a.attcollation, 'storage', a.attstorage,
        a.attcompression, 'statistics', a.attstattarget, a.attoptions, 'comment', col_description(it, a.attnum))
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = it and a.attnum > 0 and not a.attisdropped
    union all
    -- Constraints that have an index are told there.
    select concat_ws(' ', 'constraint', conname, pg_get_constraintdef(oid)) from pg_constraint
      where conrelid = it and contype not in ('p', 'u', 'x')
    union all
    select concat_ws(' ', 'index', i.indisunique, i.indisprimary, i.indisvalid, i.indisreplident, i.indisclustered,
        substring(pg_get_indexdef(i.indexrelid) from ' USING .*'), n.contype, n.condeferrable, n.condeferred)
      from pg_index i left join pg_constraint n on n.conindid = i.indexrelid and n.conrelid = it
      where i.indrelid = it
    union all
    select concat_ws(' ', 'privilege', grantee, privilege_type, is_grantable)
      from pg_class c cross join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) where c.oid = it
    union all
    select concat_ws(' ', 'privilege', grantee, privilege_type, is_grantable, 'column', a.attname)
      from pg_attribute a cross join aclexplode(a.attacl) where a.attrelid = it and not a.attisdropped
    union all
    select concat_ws(' ', 'policy', polname, polpermissive, polcmd,
        (select string_agg(role::text, ',' order by role) from unnest(polroles) as role),
        'using', pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid))
      from pg_policy where polrelid = it
    union all
    select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger where tgrelid = it and not tgisinternal
    union all
    select 'rule ' || rulename from pg_rewrite where ev_class = it
    union all
    select 'statistics ' || stxname from pg_statistic_ext where stxrelid = it
    union all
    select 'publication ' || prpubid from pg_publication_rel where prrelid = it
    union all
    select concat_ws(' ', 'inheritance', inhparent, inhrelid) from pg_inherits where it in (inhparent, inhrelid)
    union all
    select distinct 'used by ' || pg_describe_object(d.classid, d.objid, 0)
      from pg_depend d
      left join pg_constraint n on d.classid = 'pg_constraint'::regclass and n.oid = d.objid
      left join pg_policy p on d.classid = 'pg_policy'::regclass and p.oid = d.objid
      left join pg_class s on d.classid = 'pg_class'::regclass and s.oid = d.objid
      where d.refclassid = 'pg_class'::regclass and d.refobjid = it
        and (d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass) or n.conrelid <> it or p.polrelid <> it
          or s.relkind = 'S')
  ) as lines
$$;

-- What one of two tables has and the other has not.
create function core.shape_differences(a oid, b oid) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(line order by line), '{}') from (
    (select unnest(core.table_shape(a)) except select unnest(core.table_shape(b)))
    union
    (select unnest(core.table_shape(b)) except select unnest(core.table_shape(a)))
  ) as different (line)
$$;

-- Makes an empty table that is like another one in all that `table_shape` tells and that can be carried over; what
-- cannot is left to `shape_differences`. A shadow of this name that somebody has left behind is dropped.
create function core.make_shadow(live oid, shadow_name text) returns oid
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
  return shadow::regclass;
end
$$;

-- Drops the table, and gives its names to the shadow. Both are locked, and found to be alike, by then.
create function core.swap_shadow(live oid, shadow oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  place text;
  live_name text;
  wanted text[];
  present text[];
begin
  select quote_ident(n.nspname), c.relname into place, live_name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = live;
  select array_agg(relname order by definition, relname) filter (where indrelid = live),
      array_agg(relname order by definition, relname) filter (where indrelid = shadow)
    into wanted, present
    from (
      select i.indrelid, c.relname,
        concat_ws(' ', i.indisprimary, i.indisunique, substring(pg_get_indexdef(c.oid) from ' USING .*'),
          (select n.contype from pg_constraint n where n.conindid = c.oid and n.conrelid = i.indrelid)) as definition
      from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid in (live, shadow)
    ) as indexes;
  execute format('drop table %s', live::regclass);
  execute format('alter table %s rename to %I', shadow::regclass, live_name);
  for i in 1 .. cardinality(wanted) loop
    execute format('alter index %s.%I rename to %I', place, present[i], wanted[i]);
  end loop;
end
$$;

-- Drops a shadow, if it is still the one that was made.
create function core.drop_shadow(shadow_name text, made oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if to_regclass(shadow_name) = made then
    execute format('drop table %s', made::regclass);
  end if;
end
$$;

revoke all on function core.table_shape(oid), core.shape_differences(oid, oid), core.make_shadow(oid, text),
  core.swap_shadow(oid, oid), core.drop_shadow(text, oid) from public;
