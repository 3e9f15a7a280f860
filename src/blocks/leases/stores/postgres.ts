/**
 * The port on Postgres: table `core.leases`. One statement per call, so each is atomic by itself.
 */
import { type Queryable, sql } from '#blocks/database';
import { leasesErrors } from '../errors.ts';
import type { Held, LeaseStore } from '../store.ts';

/** Postgres gives a bigint as text; these stay far below 2^53. */
type Bigint = string | number;

/** @param core the server's own tables (`database.core`) */
export function createPostgresLeases(core: Queryable): LeaseStore {
  return {
    async look(name) {
      const row = await core.first<{ holder: string | null; epoch: Bigint; beat: Bigint }>(sql`
        select holder, epoch, beat from core.leases where name = ${name}`);
      return row && { epoch: Number(row.epoch), beat: Number(row.beat), holder: row.holder ?? undefined };
    },
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
    async beat({ name, epoch }) {
      const beaten = await core.run(sql`
        update core.leases set beat = beat + 1 where name = ${name} and epoch = ${epoch}`);
      return beaten === 1;
    },
    async release({ name, epoch }) {
      await core.run(sql`
        update core.leases set holder = null, epoch = epoch + 1, beat = 0
        where name = ${name} and epoch = ${epoch}`);
    },
    fence,
  };
}

/** The lock conflicts with `take`, `beat` and `release`, which update the row, and not with other fences. */
async function fence(tx: Queryable, { name, epoch }: Held): Promise<void> {
  const row = await tx.first(sql`
    select epoch from core.leases where name = ${name} and epoch = ${epoch} for share`);
  if (!row) throw leasesErrors.lease_lost({ detail: `the lease ${name} has been lost`, retryAfterS: 1 });
}
