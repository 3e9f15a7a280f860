-- What happens to jobs that have ended, and to those whose worker is gone. Each statement finds its rows by their key,
-- whatever the statistics of tables that are empty one moment and full the next: so the planner's other ways are off, and
-- it plans once for all (planning anew for each array took a third of a turn of 50 jobs).

-- Files jobs that are done. Gives the concurrency keys that they free.
create function core.finish_jobs(_now_ms bigint, _done bigint[], _result_ids bigint[], _results text[],
  out freed_workspaces bigint[], out freed_keys text[])
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off as $$
begin
  if _result_ids = '{}' then
    with gone as (
      delete from core.jobs where job_id = any(_done)
      returning job_id, workspace_id, bucket, attempts, queue, concurrency_key
    ), filed as (
      insert into core.job_history (job_id, workspace_id, finished_ms, bucket, attempts, queue, outcome)
      select job_id, workspace_id, _now_ms, bucket, attempts + 1, queue, 'done' from gone
    )
    select array_agg(workspace_id), array_agg(concurrency_key) into freed_workspaces, freed_keys
    from gone where concurrency_key is not null;
  else
    with gone as (
      delete from core.jobs where job_id = any(_done)
      returning job_id, workspace_id, bucket, attempts, queue, concurrency_key
    ), filed as (
      insert into core.job_history (job_id, workspace_id, finished_ms, bucket, attempts, queue, outcome, detail)
      select gone.job_id, workspace_id, _now_ms, bucket, attempts + 1, queue, 'done', result
      from gone left join unnest(_result_ids, _results) as given (job_id, result) on given.job_id = gone.job_id
    )
    select array_agg(workspace_id), array_agg(concurrency_key) into freed_workspaces, freed_keys
    from gone where concurrency_key is not null;
  end if;
end
$$;

-- Puts failed jobs back for a later attempt or, where `runAtMs` is null, among the dead: `_failures` is a list of
-- {id, runAtMs, score, error}. Gives the concurrency keys that they free.
create function core.fail_jobs(_now_ms bigint, _failures jsonb, out freed_workspaces bigint[], out freed_keys text[])
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
begin
  with failed as materialized (
    select (one ->> 'id')::bigint as job_id, (one ->> 'runAtMs')::bigint as run_at_ms,
      (one ->> 'score')::bigint as score, one ->> 'error' as error
    from jsonb_array_elements(_failures) as one
  ), again as (
    update core.jobs as job
    set attempts = job.attempts + 1, state = 'scheduled', run_at_ms = failed.run_at_ms, score = failed.score,
      last_error = failed.error, progress = null
    from failed
    where job.job_id = failed.job_id and failed.run_at_ms is not null
    returning job.workspace_id, job.concurrency_key
  ), gone as (
    delete from core.jobs as job using failed
    where job.job_id = failed.job_id and failed.run_at_ms is null
    returning job.job_id, job.workspace_id, job.bucket, job.priority, job.attempts + 1 as attempts, job.attempts_max,
      job.queue, job.unique_key, job.concurrency_key, job.traceparent, failed.error, job.payload
  ), filed as (
    insert into core.dead_jobs (job_id, workspace_id, bucket, priority, attempts, attempts_max, queue, unique_key,
      concurrency_key, traceparent, last_error, died_ms, payload)
    select job_id, workspace_id, bucket, priority, attempts, attempts_max, queue, unique_key, concurrency_key,
      traceparent, error, _now_ms, payload
    from gone
  ), freed as (
    select workspace_id, concurrency_key from again where concurrency_key is not null
    union all
    select workspace_id, concurrency_key from gone where concurrency_key is not null
  )
  select array_agg(workspace_id), array_agg(concurrency_key) into freed_workspaces, freed_keys from freed;
end
$$;

-- Ends the leases of these queues that have run out, and gives their jobs back with one attempt more: ready at once after the first
-- loss, whatever failed before it. After a loss upon a loss they wait, each for another time, so that a job that kills its worker is parted from
-- those that were only in hand with it. Those without an attempt left are dead: `reaped_dead` has a line of id, attempts
-- and trace for each of them.
create function core.reap_jobs(_now_ms bigint, _queues text[]) returns table (reaped_queue text, reaped_worker text, reaped_jobs integer,
  reaped_dead text)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  _lease record;
  _jobs bigint[];
  _error text;
  _failures jsonb;
begin
  for _lease in
    select queue, lease_id, worker from core.job_leases
    where queue = any(_queues) and until_ms < _now_ms
    order by queue, lease_id
  loop
    perform pg_advisory_xact_lock(hashtextextended('queue ' || _lease.queue, 0));
    delete from core.job_leases where queue = _lease.queue and lease_id = _lease.lease_id returning job_ids into _jobs;
    continue when not found;
    _error := format('the worker %s was lost', _lease.worker);
    select jsonb_agg(jsonb_build_object('id', job_id::text, 'score', score, 'error', _error)),
      string_agg(concat_ws(' ', job_id, attempts + 1, coalesce(traceparent, '-')), E'\n')
    into _failures, reaped_dead
    from core.jobs where job_id = any(_jobs) and attempts + 1 >= attempts_max;
    if _failures is not null then
      perform core.fail_jobs(_now_ms, _failures);
    end if;
    update core.jobs
    set attempts = attempts + 1, last_error = _error, progress = null,
      state = case when last_error like 'the worker % was lost' then 'scheduled' else 'ready' end,
      run_at_ms = case when last_error like 'the worker % was lost'
        then _now_ms + (1000 << least(attempts, 9)) * (hashint8(job_id) & 1023) / 1024 else run_at_ms end
    where job_id = any(_jobs);
    get diagnostics reaped_jobs = row_count;
    reaped_jobs := reaped_jobs + coalesce(jsonb_array_length(_failures), 0);
    reaped_queue := _lease.queue;
    reaped_worker := _lease.worker;
    return next;
  end loop;
end
$$;
