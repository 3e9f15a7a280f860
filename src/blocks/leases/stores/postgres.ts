/**
 * The port on Postgres: table `core.leases`. One statement per call, so each is atomic by itself; the beats that a process
 * has due at one moment are one statement together, and so are its looks.
 */
import { createBatch } from '#base/batch';
import { type Queryable, sql } from '#blocks/database';
import { leasesErrors } from '../errors.ts';
import type { Held, LeaseMark, LeaseStore } from '../store.ts';

/** Postgres gives a bigint as text; these stay far below 2^53. */
type Bigint = string | number;

/** @param core the server's own tables (`database.core`) */
export function createPostgresLeases(core: Queryable): LeaseStore {
  return {
    look: createBatch((names: readonly string[]) => look(core, names)),
    async take(name, holder, seen) {
      // A taking that waited for another sees the other's epoch when it goes on, and changes nothing.
      const taken = await core.first<{ epoch: Bigint }>(
        seen === undefined
          ? sql`
            insert into core.leases (name, holder, epoch, beat) values (${name}, ${holder}, 1, 0)
            on conflict (name) do nothing
            returning epoch`
          : sql`
            update core.leases set holder = ${holder}, epoch = epoch + 1, beat = 0
            where name = ${name} and epoch = ${seen.epoch} and beat = ${seen.beat}
            returning epoch`,
      );
      return taken && { name, epoch: Number(taken.epoch) };
    },
    beat: createBatch((all: readonly Held[]) => beat(core, all)),
    async release({ name, epoch }) {
      await core.run(sql`
        update core.leases set holder = null, epoch = epoch + 1, beat = 0
        where name = ${name} and epoch = ${epoch}`);
    },
    fence,
  };
}

async function look(core: Queryable, names: readonly string[]): Promise<(LeaseMark | undefined)[]> {
  const rows = await core.rows<{ name: string; holder: string | null; epoch: Bigint; beat: Bigint }>(sql`
    select name, holder, epoch, beat from core.leases where name = any(${[...new Set(names)]}::text[])`);
  const marks = new Map(
    rows.map(({ name, holder, ...row }) => [
      name,
      { epoch: Number(row.epoch), beat: Number(row.beat), holder: holder ?? undefined },
    ]),
  );
  return names.map((name) => marks.get(name));
}

async function beat(core: Queryable, all: readonly Held[]): Promise<boolean[]> {
  const beaten = await core.rows<{ name: string; epoch: Bigint }>(sql`
    update core.leases set beat = beat + 1
    from (
      select distinct name, epoch
      from unnest(${all.map(({ name }) => name)}::text[], ${all.map(({ epoch }) => epoch)}::bigint[])
        as one (name, epoch)
    ) as held
    where leases.name = held.name and leases.epoch = held.epoch
    returning leases.name, leases.epoch`);
  const isHeld = ({ name, epoch }: Held) =>
    beaten.some((row) => row.name === name && Number(row.epoch) === epoch);
  return all.map(isHeld);
}

/** The lock conflicts with `take`, `beat` and `release`, which update the row, and not with other fences. */
async function fence(tx: Queryable, { name, epoch }: Held): Promise<void> {
  const row = await tx.first(sql`
    select epoch from core.leases where name = ${name} and epoch = ${epoch} for share`);
  if (!row) throw leasesErrors.lease_lost({ detail: `the lease ${name} has been lost`, retryAfterS: 1 });
}
