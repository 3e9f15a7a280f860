-- Who leads in what. `epoch` is the fence: it grows at each taking and each release. `beat` grows while the holder lives;
-- whoever wants the lease judges by its own clock how long it has stood still. Of the server itself, so of no workspace.
create table core.leases (
  name text primary key,
  holder text,
  epoch bigint not null,
  beat bigint not null
) with (fillfactor = 50);

grant select, insert, update (holder, epoch, beat) on core.leases to loadstone_system;
