-- Refuses jobs that have a twin: those named were not inserted, because a job with the same unique key waits or runs. The
-- transaction fails with all of their names, so that whoever sent many callers' jobs together knows whose to leave out.
create function core.refuse_twins(_job_ids bigint[]) returns void
language plpgsql as $$
begin
  if _job_ids <> '{}' then
    raise exception 'a job with the same unique key waits or runs already'
      using errcode = 'unique_violation', schema = 'core', table = 'jobs', constraint = 'jobs_once',
        detail = array_to_string(_job_ids, ' ');
  end if;
end
$$;

revoke execute on function core.refuse_twins from public;
grant execute on function core.refuse_twins to loadstone_app, loadstone_system;
-- To tell what was inserted from what was not. Ids are not secret, and no other column can be read.
grant select (job_id) on core.jobs to loadstone_app;
