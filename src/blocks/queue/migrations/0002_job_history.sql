-- Jobs that are over, by day: old days are dropped whole, which leaves nothing to vacuum.
create table core.job_history (
  job_id bigint not null,
  workspace_id bigint not null,
  finished_ms bigint not null,
  bucket smallint not null,
  attempts smallint not null,
  queue text collate "C" not null,
  outcome text collate "C" not null check (outcome in ('done', 'discarded', 'replaced', 'dropped')),
  -- JSON: the result of one that is done, the id of the job that replaced it, else nothing.
  detail text
) partition by range (finished_ms);

create index job_history_job on core.job_history (job_id);

-- Makes the days from yesterday to three days ahead, and drops those older than `_keep_ms`. Gives how many it dropped.
-- Runs as the owner, because the roles of the server may not change tables. It gives up rather than wait long for a
-- reader: everything that finishes a job would wait behind it.
create function core.rotate_job_history(_now_ms bigint, _keep_ms bigint) returns integer
language plpgsql security definer set search_path = '' set lock_timeout = '500ms' as $$
declare
  _day_ms constant bigint := 86400000;
  _today bigint := _now_ms / _day_ms;
  _name text;
  _dropped integer := 0;
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('job_history', 0));
  for _day in _today - 1 .. _today + 3 loop
    _name := pg_catalog.format('job_history_%s', _day);
    if pg_catalog.to_regclass('core.' || _name) is null then
      execute pg_catalog.format('create table core.%I partition of core.job_history for values from (%s) to (%s)',
        _name, _day * _day_ms, (_day + 1) * _day_ms);
    end if;
  end loop;
  for _name in
    select c.relname from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'core.job_history'::pg_catalog.regclass
      and (pg_catalog.substring(c.relname::text, '\d+$')::bigint + 1) * _day_ms <= _now_ms - _keep_ms
  loop
    execute pg_catalog.format('drop table core.%I', _name);
    _dropped := _dropped + 1;
  end loop;
  return _dropped;
end
$$;

revoke execute on function core.rotate_job_history from public;
grant execute on function core.rotate_job_history to loadstone_system;
grant select, insert on core.job_history to loadstone_system;
