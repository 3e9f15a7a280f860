-- What is sealed here can be opened with one master key only. This tells a server that has come with another.
create table core.master_key (
  is_only boolean primary key default true check (is_only),
  proof bytea not null
);
grant select, insert on core.master_key to loadstone_system;
