-- Jobs that wait or run. A row is written once and deleted once: who runs it stands in core.job_leases, so neither a
-- claim nor a completion makes a second version of it. Times are Unix milliseconds of the servers' clocks.
create table core.jobs (
  job_id bigint primary key,
  workspace_id bigint not null,
  -- The place in line, smallest first: run_at_ms less the priority's head start, and an order within the millisecond.
  score bigint not null,
  run_at_ms bigint not null,
  bucket smallint not null,
  priority smallint not null,
  -- Attempts that have ended without success; one under way does not count yet.
  attempts smallint not null default 0,
  attempts_max smallint not null,
  queue text collate "C" not null,
  -- ready: may be claimed, unless it stands in a lease. scheduled: not before run_at_ms. held: its concurrency key is at
  -- its limit, so that claims need not read it again and again.
  state text collate "C" not null default 'ready' check (state in ('ready', 'scheduled', 'held')),
  unique_key text collate "C",
  concurrency_key text collate "C",
  traceparent text,
  progress text,
  last_error text,
  -- JSON, kept as text: it is only ever read whole, and jsonb would refuse the escaped NUL that JSON allows.
  payload text not null
) with (
  -- Every job leaves a dead row behind. The defaults wait for a fifth of the table and then sleep while cleaning.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0.2,
  autovacuum_analyze_scale_factor = 0.1,
  autovacuum_analyze_threshold = 2000
);

create index jobs_line on core.jobs (queue, score) where state = 'ready';
create index jobs_schedule on core.jobs (run_at_ms) where state = 'scheduled';
create index jobs_held on core.jobs (queue, workspace_id, concurrency_key, score) where state = 'held';
create unique index jobs_once on core.jobs (workspace_id, queue, unique_key) where unique_key is not null;

-- Jobs that have failed for good, until they are redriven or discarded, or too old.
create table core.dead_jobs (
  job_id bigint primary key,
  workspace_id bigint not null,
  bucket smallint not null,
  priority smallint not null,
  attempts smallint not null,
  attempts_max smallint not null,
  queue text collate "C" not null,
  unique_key text collate "C",
  concurrency_key text collate "C",
  traceparent text,
  last_error text not null,
  died_ms bigint not null,
  payload text not null
);

create index dead_jobs_queue on core.dead_jobs (queue, job_id);
create index dead_jobs_age on core.dead_jobs (died_ms);

-- What each worker has in hand of a queue: one row for each, replaced at each turn by one with a higher lease_id, which
-- is the fence: what names an older one has no effect. Being new each time, a row is found by its key alone, however
-- many dead ones an old snapshot keeps. A row inline is cheaper than one in TOAST: a thousand ids still fit.
create table core.job_leases (
  queue text collate "C" not null,
  lease_id bigint generated always as identity,
  worker text not null,
  until_ms bigint not null,
  job_ids bigint[] not null,
  -- Of the jobs in hand: 'u' or 'c' for a unique or a concurrency key, workspace, ':', key.
  keys text[] not null,
  -- How many jobs may run at once, and how many have ended since the worker began.
  concurrency integer not null,
  ended bigint not null,
  primary key (queue, lease_id)
) with (
  toast_tuple_target = 8160,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0
);
alter table core.job_leases alter column job_ids set storage external;

-- Concurrency keys that have a rate. conforms_ms: when a next start would conform to the rate, by GCRA, burst aside.
-- release_ms: when held jobs of the key are to be looked at again.
create table core.job_keys (
  queue text collate "C" not null,
  workspace_id bigint not null,
  key text collate "C" not null,
  bucket smallint not null,
  conforms_ms float8 not null,
  release_ms bigint,
  primary key (queue, workspace_id, key)
);
create index job_keys_release on core.job_keys (queue, release_ms) where release_ms is not null;

-- When each cron schedule was last carried out. Of the server itself, so of no workspace.
create table core.job_schedules (
  name text collate "C" primary key,
  pattern text not null,
  last_ms bigint not null
);

-- What a queue is like, measured now and then by one process for all.
create table core.job_queues (
  queue text collate "C" primary key,
  waiting bigint not null,
  scheduled bigint not null,
  held bigint not null,
  running bigint not null,
  dead bigint not null,
  lowest_priority smallint,
  oldest_ms bigint,
  workers integer not null,
  ended_per_s float8 not null,
  measured_ms bigint not null
);

grant usage on schema core to loadstone_app;
-- A caller's transaction enqueues, and sees no more of other jobs than what tells it that one of its own has a twin.
grant insert, select (workspace_id, queue, unique_key) on core.jobs to loadstone_app;
grant select, insert, update, delete on core.jobs, core.dead_jobs, core.job_leases, core.job_keys, core.job_schedules,
  core.job_queues to loadstone_system;
