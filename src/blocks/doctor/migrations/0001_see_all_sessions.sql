-- as-login
-- Who holds back vacuum is told by pg_stat_activity, which shows what another login's session is doing to members of
-- pg_read_all_stats only. Granting that takes a superuser or its admin option; a login that has neither goes on without,
-- and sessions are then told by pid, user and application alone. As the login, since the owner of the tables has no
-- right to grant it either. Roles are shared by all databases of a server, so another one may have granted it already.
do $$
begin
  if not pg_has_role('loadstone_system', 'pg_read_all_stats', 'usage') then
    grant pg_read_all_stats to loadstone_system;
  end if;
exception when insufficient_privilege or undefined_object then
  null;
end
$$;
