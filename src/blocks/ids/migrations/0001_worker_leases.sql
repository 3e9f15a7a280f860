-- Which process may issue ids under which worker number, and up to which millisecond. The rows are fixed: a
-- process takes one by raising its epoch. Milliseconds are Unix time. Of the server itself, so of no
-- workspace.
create table core.worker_leases (
  worker smallint primary key check (worker between 0 and 127),
  holder text,
  epoch bigint not null default 0,
  high_ms bigint not null default 0
);

insert into core.worker_leases (worker) select generate_series(0, 127);

grant select, update (holder, epoch, high_ms) on core.worker_leases to loadstone_system;
