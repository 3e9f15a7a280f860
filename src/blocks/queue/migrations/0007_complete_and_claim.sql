-- The call that records what has ended and claims what is next (core.turn_jobs), in parts with names. They are called by
-- it alone: under its lock, and with its settings of the planner.

-- Records what has become of jobs, and how far others are. Gives the concurrency keys that have room again.
create function core.record_job_outcomes(_now_ms bigint, _done bigint[], _result_ids bigint[], _results text[],
  _failures jsonb, _progress jsonb, out freed_workspaces bigint[], out freed_keys text[])
language plpgsql as $$
declare
  _more_workspaces bigint[];
  _more_keys text[];
begin
  freed_workspaces := '{}';
  freed_keys := '{}';
  if _done <> '{}' then
    select ended.freed_workspaces, ended.freed_keys into freed_workspaces, freed_keys
    from core.finish_jobs(_now_ms, _done, _result_ids, _results) as ended;
  end if;
  if _failures is not null then
    select ended.freed_workspaces, ended.freed_keys into _more_workspaces, _more_keys
    from core.fail_jobs(_now_ms, _failures) as ended;
    freed_workspaces := freed_workspaces || _more_workspaces;
    freed_keys := freed_keys || _more_keys;
  end if;
  if _progress is not null then
    update core.jobs as job set progress = given.value
    from jsonb_to_recordset(_progress) as given (id bigint, value text) where job.job_id = given.id;
  end if;
end
$$;

-- Makes ready held jobs of the keys given, and of those whose rate allows a start again. Gives their scores.
create function core.release_freed_jobs(_queue text, _now_ms bigint, _workspaces bigint[], _keys text[],
  _key_concurrency integer, _rate_count integer) returns bigint[]
language plpgsql as $$
declare
  _due_workspaces bigint[];
  _due_keys text[];
begin
  if _rate_count is not null then
    with due as (
      update core.job_keys set release_ms = null where queue = _queue and release_ms <= _now_ms
      returning workspace_id, key
    )
    select array_agg(workspace_id), array_agg(key) into _due_workspaces, _due_keys from due;
    _workspaces := _workspaces || _due_workspaces;
    _keys := _keys || _due_keys;
  end if;
  if _keys <> '{}' then
    return core.release_held_jobs(_queue, _workspaces, _keys, least(_key_concurrency, _rate_count));
  end if;
  return '{}';
end
$$;

-- Chooses among the first in line those whose keys have room, and packs them as core.turn_jobs gives them.
create function core.claim_by_key(_queue text, _now_ms bigint, _limit integer, _from bigint, _strays bigint[],
  _hands bigint[], _locks text[], _key_concurrency integer, _rate_count integer, _rate_ms bigint,
  out taken bigint[], out taken_locks text[], out seen integer, out last_score bigint, out heads text,
  out key_pairs text, out payloads text)
language plpgsql as $$
begin
  select by_key.chosen, by_key.seen, by_key.last_score into taken, seen, last_score
  from core.choose_by_key(_queue, _now_ms, _limit, _from, _strays, _hands, _locks, _key_concurrency, _rate_count,
    _rate_ms) as by_key;
  select array_agg('c' || workspace_id || ':' || concurrency_key) filter (where concurrency_key is not null)
      || array_agg('u' || workspace_id || ':' || unique_key) filter (where unique_key is not null),
    string_agg(concat_ws(' ', job_id, workspace_id, bucket, priority, attempts, attempts_max,
      coalesce(traceparent, '-')), E'\n'),
    (json_object_agg(job_id, json_build_array(unique_key, concurrency_key))
      filter (where unique_key is not null or concurrency_key is not null))::text,
    '[' || string_agg(payload, ',') || ']'
  into taken_locks, heads, key_pairs, payloads
  from (
    select job_id, workspace_id, bucket, priority, attempts, attempts_max, traceparent, unique_key, concurrency_key,
      payload
    from core.jobs where job_id = any(taken) order by score
  ) as chosen;
end
$$;

-- Takes the first in line of a queue whose keys have no limits, in one statement, and packs them in the same way.
create function core.claim_in_line(_queue text, _limit integer, _from bigint, _strays bigint[], _hands bigint[],
  _locks text[], out taken bigint[], out taken_locks text[], out seen integer, out last_score bigint, out heads text,
  out key_pairs text, out payloads text)
language plpgsql as $$
begin
  select array_agg(job_id),
    array_agg('u' || workspace_id || ':' || unique_key) filter (where unique_key is not null),
    string_agg(concat_ws(' ', job_id, workspace_id, bucket, priority, attempts, attempts_max,
      coalesce(traceparent, '-')), E'\n'),
    (json_object_agg(job_id, json_build_array(unique_key, concurrency_key))
      filter (where unique_key is not null or concurrency_key is not null))::text,
    '[' || string_agg(payload, ',') || ']',
    count(*) filter (where in_line), max(score) filter (where in_line)
  into taken, taken_locks, heads, key_pairs, payloads, seen, last_score
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
  ) as first;
end
$$;

-- As in 0004, where what it gives is told.
create or replace function core.turn_jobs(_queue text, _worker text, _lease bigint, _now_ms bigint, _until_ms bigint,
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
  -- A call in which nothing has ended does not wait for the disk. What a crash of Postgres then forgets of it is a lease:
  -- its jobs are ready again, and run a second time as if the worker had been lost. It halves the time to a job's start.
  if _done = '{}' and _failures is null then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  if _done <> '{}' or _failures is not null or _progress is not null then
    select freed_workspaces, freed_keys into _freed_workspaces, _freed_keys
    from core.record_job_outcomes(_now_ms, _done, _result_ids, _results, _failures, _progress);
  end if;

  select coalesce(array_agg(job_id), '{}') || _kept into _hands
  from core.job_leases, unnest(job_ids) as job_id where queue = _queue and lease_id >= _fence_from;
  select coalesce(array_agg(name), '{}') || _kept_keys into _locks
  from core.job_leases, unnest(keys) as name where queue = _queue and lease_id >= _fence_from;
  if _is_keyed then
    _released := core.release_freed_jobs(_queue, _now_ms, _freed_workspaces, _freed_keys, _key_concurrency, _rate_count);
    _strays := _strays || _released;
    if _released <> '{}' and cardinality(_strays) > _limit then
      released := array_to_string(_released, ' ');
    end if;
  end if;

  if _limit > 0 and _is_keyed then
    select claimed.taken, claimed.taken_locks, claimed.seen, claimed.last_score, claimed.heads, claimed.key_pairs,
      claimed.payloads
    into _taken, _taken_locks, seen, last_score, heads, key_pairs, payloads
    from core.claim_by_key(_queue, _now_ms, _limit, _from, _strays, _hands, _locks, _key_concurrency, _rate_count,
      _rate_ms) as claimed;
  elsif _limit > 0 then
    select claimed.taken, claimed.taken_locks, claimed.seen, claimed.last_score, claimed.heads, claimed.key_pairs,
      claimed.payloads
    into _taken, _taken_locks, seen, last_score, heads, key_pairs, payloads
    from core.claim_in_line(_queue, _limit, _from, _strays, _hands, _locks) as claimed;
  end if;
  insert into core.job_leases (queue, worker, until_ms, job_ids, keys, concurrency, ended)
  values (_queue, _worker, _until_ms, _kept || _taken, _kept_keys || _taken_locks, _concurrency, _ended)
  returning lease_id into fence;
  select min(lease_id) into fence_from from core.job_leases where queue = _queue and lease_id >= _fence_from;
  select min(release_ms) into release_at_ms from core.job_keys where _is_keyed and queue = _queue and release_ms is not null;
end
$$;

revoke execute on function core.record_job_outcomes, core.release_freed_jobs, core.claim_by_key, core.claim_in_line
  from public;
grant execute on function core.record_job_outcomes, core.release_freed_jobs, core.claim_by_key, core.claim_in_line
  to loadstone_system;
