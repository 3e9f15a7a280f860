-- Spaces of short codes: the key of the permutation and the next counter. The server may not change a key: another
-- key would map new counters onto codes already given.
create table core.code_spaces (
  name text primary key,
  key bytea not null check (octet_length(key) = 32),
  next bigint not null default 0
);

grant select, insert (name, key), update (next) on core.code_spaces to loadstone_system;
