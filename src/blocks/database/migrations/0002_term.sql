-- Which primary's log the database goes by: replayed by replicas like any other row, it shows which of them have come past
-- a promotion. One row.
create table core.database_term (
  is_only boolean primary key default true check (is_only),
  cluster text not null,
  term integer not null
);
grant select, insert, update on core.database_term to loadstone_system;
