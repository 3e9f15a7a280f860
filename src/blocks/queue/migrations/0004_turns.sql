-- A worker's turn on a queue: one call, so that the queue's lock is never held while Postgres waits for a worker (one
-- that is frozen or cut off between two statements would stop all others). Under the lock the leases say exactly what
-- is in hand: each statement of a function sees what was committed before it began, the lock included.

-- Makes ready those held jobs whose concurrency key has room again, at most `_most` of a key. Gives their scores.
create function core.release_held_jobs(_queue text, _workspaces bigint[], _keys text[], _most integer) returns bigint[]
language sql set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
  with released as (
    update core.jobs set state = 'ready'
    where job_id = any(array(
      select waiting.job_id
      from (select distinct workspace_id, key from unnest(_workspaces, _keys) as one (workspace_id, key)) as freed
      cross join lateral (
        select job_id from core.jobs
        where queue = _queue and workspace_id = freed.workspace_id and concurrency_key = freed.key and state = 'held'
        order by score limit _most
      ) as waiting
    ))
    returning score
  )
  select coalesce(array_agg(score), '{}') from released
$$;

-- Of a queue whose concurrency keys have limits: chooses among the first `_limit` jobs in line those whose keys have
-- room, holds the others, and counts the starts of keys that have a rate. Gives the chosen, and the last score seen.
create function core.choose_by_key(_queue text, _now_ms bigint, _limit integer, _from bigint, _strays bigint[],
  _hands bigint[], _locks text[], _key_concurrency integer, _rate_count integer, _rate_ms bigint,
  out chosen bigint[], out seen integer, out last_score bigint)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
set enable_nestloop = off as $$
declare
  _every_ms constant float8 := _rate_ms::float8 / _rate_count;
begin
  with found as materialized (
    (select job_id, workspace_id, bucket, concurrency_key, score, false as in_line from core.jobs
      where queue = _queue and state = 'ready' and score = any(_strays) and score < _from
        and job_id not in (select unnest(_hands))
        and (unique_key is null or 'u' || workspace_id || ':' || unique_key not in (select unnest(_locks)))
      order by score limit _limit)
    union all
    (select job_id, workspace_id, bucket, concurrency_key, score, true as in_line from core.jobs
      where queue = _queue and state = 'ready' and score >= _from
        and job_id not in (select unnest(_hands))
        and (unique_key is null or 'u' || workspace_id || ':' || unique_key not in (select unnest(_locks)))
      order by score limit _limit)
  ), busy as (
    select name, count(*) as jobs from unnest(_locks) as name where name like 'c%' group by name
  ), placed as (
    select found.*, row_number() over (partition by workspace_id, concurrency_key order by score) as nth,
      case when _rate_count is not null then greatest(_now_ms, (
        select rated.conforms_ms from core.job_keys as rated
        where rated.queue = _queue and rated.workspace_id = found.workspace_id and rated.key = found.concurrency_key
      )) end as conforms_ms
    from found
  ), judged as materialized (
    select placed.*, placed.concurrency_key is null or (
        (_key_concurrency is null or nth + coalesce(busy.jobs, 0) <= _key_concurrency)
        and (_rate_count is null or nth <= floor((_now_ms + _rate_ms - _every_ms - conforms_ms) / _every_ms) + 1)
      ) as is_chosen
    from placed left join busy on busy.name = 'c' || placed.workspace_id || ':' || placed.concurrency_key
  ), held as (
    update core.jobs set state = 'held'
    where job_id = any(array(select job_id from judged where not is_chosen))
  ), counted as (
    insert into core.job_keys (queue, workspace_id, key, bucket, conforms_ms, release_ms)
    select _queue, workspace_id, concurrency_key, min(bucket), conforms + starts * _every_ms,
      case when starts < jobs then ceil(conforms + (starts + 1) * _every_ms - _rate_ms) end
    from (
      select workspace_id, concurrency_key, min(bucket) as bucket, max(conforms_ms) as conforms,
        count(*) filter (where is_chosen) as starts, count(*) as jobs
      from judged where concurrency_key is not null and _rate_count is not null
      group by workspace_id, concurrency_key
    ) as of_key
    group by workspace_id, concurrency_key, conforms, starts, jobs
    on conflict (queue, workspace_id, key)
    do update set conforms_ms = excluded.conforms_ms, release_ms = excluded.release_ms
  )
  select coalesce(array_agg(job_id) filter (where is_chosen), '{}'), count(*) filter (where in_line),
    max(score) filter (where in_line)
  into chosen, seen, last_score
  from judged;
end
$$;

-- Records what has ended since the last turn, keeps what is still in hand, and takes up to `_limit` jobs more: those of
-- the scores `_strays`, and those in line from the score `_from`. `fence` is the new lease, null if the old one has been
-- lost: then nothing was done. `fence_from`: no lease of the queue that still holds is older; it is given to the next
-- turn. `released`: scores of held jobs that this turn made ready and may have had no room for. The jobs come packed, because 500 rows of nine columns cost the driver three times what 500 jobs cost.
create function core.turn_jobs(_queue text, _worker text, _lease bigint, _now_ms bigint, _until_ms bigint,
  _concurrency integer, _ended bigint, _done bigint[], _result_ids bigint[], _results text[], _failures jsonb,
  _progress jsonb, _kept bigint[], _kept_keys text[], _limit integer, _from bigint, _fence_from bigint, _strays bigint[],
  _key_concurrency integer, _rate_count integer, _rate_ms bigint,
  out fence bigint, out fence_from bigint, out seen integer, out last_score bigint, out release_at_ms bigint,
  out released text, out heads text, out key_pairs text, out payloads text)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  _is_keyed constant boolean := _key_concurrency is not null or _rate_count is not null;
  _freed_workspaces bigint[] := '{}';
  _freed_keys text[] := '{}';
  _more_workspaces bigint[];
  _more_keys text[];
  _released bigint[];
  _hands bigint[];
  _locks text[];
  _taken bigint[];
  _taken_locks text[];
begin
  perform pg_advisory_xact_lock(hashtextextended('queue ' || _queue, 0));
  if _lease is not null then
    -- By its worker too: a crash of Postgres may have forgotten that the id was given out.
    delete from core.job_leases where queue = _queue and lease_id = _lease and worker = _worker;
    if not found then return; end if;
  end if;

  -- A turn in which nothing has ended does not wait for the disk. What a crash of Postgres then forgets of it is a lease:
  -- its jobs are ready again, and run a second time as if the worker had been lost. It halves the time to a job's start.
  if _done = '{}' and _failures is null then
    perform set_config('synchronous_commit', 'off', true);
  end if;

  if _done <> '{}' then
    select freed_workspaces, freed_keys into _freed_workspaces, _freed_keys
    from core.finish_jobs(_now_ms, _done, _result_ids, _results);
  end if;
  if _failures is not null then
    select freed_workspaces, freed_keys into _more_workspaces, _more_keys from core.fail_jobs(_now_ms, _failures);
    _freed_workspaces := _freed_workspaces || _more_workspaces;
    _freed_keys := _freed_keys || _more_keys;
  end if;
  if _progress is not null then
    update core.jobs as job set progress = given.value
    from jsonb_to_recordset(_progress) as given (id bigint, value text) where job.job_id = given.id;
  end if;

  select coalesce(array_agg(job_id), '{}') into _hands
  from core.job_leases, unnest(job_ids) as job_id where queue = _queue and lease_id >= _fence_from;
  select coalesce(array_agg(name), '{}') into _locks
  from core.job_leases, unnest(keys) as name where queue = _queue and lease_id >= _fence_from;
  _hands := _hands || _kept;
  _locks := _locks || _kept_keys;

  if _is_keyed then
    if _rate_count is not null then
      with due as (
        update core.job_keys set release_ms = null where queue = _queue and release_ms <= _now_ms
        returning workspace_id, key
      )
      select array_agg(workspace_id), array_agg(key) into _more_workspaces, _more_keys from due;
      _freed_workspaces := _freed_workspaces || _more_workspaces;
      _freed_keys := _freed_keys || _more_keys;
    end if;
    if _freed_keys <> '{}' then
      _released := core.release_held_jobs(_queue, _freed_workspaces, _freed_keys, least(_key_concurrency, _rate_count));
      _strays := _strays || _released;
      if cardinality(_strays) > _limit then
        released := array_to_string(_released, ' ');
      end if;
    end if;
  end if;

  if _limit > 0 and _is_keyed then
    select by_key.chosen, by_key.seen, by_key.last_score into _taken, seen, last_score
    from core.choose_by_key(_queue, _now_ms, _limit, _from, _strays, _hands, _locks, _key_concurrency, _rate_count,
      _rate_ms) as by_key;
    select array_agg('c' || workspace_id || ':' || concurrency_key) filter (where concurrency_key is not null)
        || array_agg('u' || workspace_id || ':' || unique_key) filter (where unique_key is not null),
      string_agg(concat_ws(' ', job_id, workspace_id, bucket, priority, attempts, attempts_max,
        coalesce(traceparent, '-')), E'\n'),
      (json_object_agg(job_id, json_build_array(unique_key, concurrency_key))
        filter (where unique_key is not null or concurrency_key is not null))::text,
      '[' || string_agg(payload, ',') || ']'
    into _taken_locks, heads, key_pairs, payloads
    from (
      select job_id, workspace_id, bucket, priority, attempts, attempts_max, traceparent, unique_key, concurrency_key,
        payload
      from core.jobs where job_id = any(_taken) order by score
    ) as taken;
  elsif _limit > 0 then
    select array_agg(job_id),
      array_agg('u' || workspace_id || ':' || unique_key) filter (where unique_key is not null),
      string_agg(concat_ws(' ', job_id, workspace_id, bucket, priority, attempts, attempts_max,
        coalesce(traceparent, '-')), E'\n'),
      (json_object_agg(job_id, json_build_array(unique_key, concurrency_key))
        filter (where unique_key is not null or concurrency_key is not null))::text,
      '[' || string_agg(payload, ',') || ']',
      count(*) filter (where in_line), max(score) filter (where in_line)
    into _taken, _taken_locks, heads, key_pairs, payloads, seen, last_score
    from (
      (select job_id, workspace_id, bucket, priority, attempts, attempts_max, traceparent, unique_key, concurrency_key,
          payload, score, false as in_line
        from core.jobs
        where queue = _queue and state = 'ready' and score = any(_strays) and score < _from
          and job_id not in (select unnest(_hands))
          and (unique_key is null or 'u' || workspace_id || ':' || unique_key not in (select unnest(_locks)))
        order by score limit _limit)
      union all
      (select job_id, workspace_id, bucket, priority, attempts, attempts_max, traceparent, unique_key, concurrency_key,
          payload, score, true as in_line
        from core.jobs
        where queue = _queue and state = 'ready' and score >= _from
          and job_id not in (select unnest(_hands))
          and (unique_key is null or 'u' || workspace_id || ':' || unique_key not in (select unnest(_locks)))
        order by score limit _limit)
    ) as taken;
  end if;

  insert into core.job_leases (queue, worker, until_ms, job_ids, keys, concurrency, ended)
  values (_queue, _worker, _until_ms, _kept || _taken, _kept_keys || _taken_locks, _concurrency, _ended)
  returning lease_id into fence;
  select min(lease_id) into fence_from from core.job_leases where queue = _queue and lease_id >= _fence_from;
  select min(release_ms) into release_at_ms from core.job_keys where _is_keyed and queue = _queue and release_ms is not null;
end
$$;

-- The lowest score, from the one given for each queue, of a job that nobody has in hand, as text ('-' for none) in the
-- order of the queues; and when the next scheduled job of any queue is due.
create function core.look_at_jobs(_queues text[], _froms bigint[], out lowest text, out due_ms bigint)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  select string_agg(coalesce((
      select job.score from core.jobs as job
      where job.queue = asked.queue and job.state = 'ready' and job.score >= asked.score
        and job.job_id not in (select unnest(job_ids) from core.job_leases)
      order by job.score limit 1
    )::text, '-'), ' ' order by asked.nth)
  into lowest
  from unnest(_queues, _froms) with ordinality as asked (queue, score, nth);
  select min(run_at_ms) into due_ms from core.jobs where state = 'scheduled';
end
$$;

-- Makes scheduled jobs ready whose time has come. Gives their scores by queue, as text.
create function core.promote_jobs(_now_ms bigint, _limit integer) returns table (promoted_queue text, scores text)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query
    with due as (
      select job_id from core.jobs where state = 'scheduled' and run_at_ms <= _now_ms
      order by run_at_ms limit _limit for update skip locked
    ), promoted as (
      update core.jobs as job set state = 'ready' where job_id = any(array(select job_id from due))
      returning job.queue, job.score
    )
    select promoted.queue::text, string_agg(promoted.score::text, ' ') from promoted group by promoted.queue;
end
$$;

revoke execute on function core.finish_jobs, core.fail_jobs, core.reap_jobs, core.release_held_jobs, core.choose_by_key,
  core.turn_jobs, core.look_at_jobs, core.promote_jobs from public;
grant execute on function core.finish_jobs, core.fail_jobs, core.reap_jobs, core.release_held_jobs, core.choose_by_key,
  core.turn_jobs, core.look_at_jobs, core.promote_jobs to loadstone_system;
