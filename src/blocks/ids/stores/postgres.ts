/**
 * The ports on Postgres: tables `core.worker_leases` and `core.code_spaces`. One statement per call, so each
 * is atomic by itself; it goes to the primary, durably, as everything does.
 */
import assert from 'node:assert/strict';
import { type Queryable, sql } from '#blocks/database';
import type { CodeSpaceStore, WorkerLeaseStore } from '../store.ts';

/** Postgres gives a bigint as text; these stay far below 2^53. */
type Bigint = string | number;

/** @param core the server's own tables (`database.core`) */
export function createPostgresWorkerLeases(core: Queryable): WorkerLeaseStore {
  return {
    async take({ holder, nowMs, highMs }) {
      // SKIP LOCKED: who asks at the same moment gets the next row instead of waiting for this one. A row
      // that was taken after the statement's snapshot is checked again once locked, and passed over.
      const taken = await core.first<{ worker: number; epoch: Bigint; floor_ms: Bigint }>(sql`
        with free as (
          select worker, high_ms from core.worker_leases
          where high_ms < ${nowMs}
          order by high_ms, worker
          limit 1
          for update skip locked
        )
        update core.worker_leases as lease
        set holder = ${holder}, epoch = lease.epoch + 1, high_ms = ${highMs}
        from free
        where lease.worker = free.worker
        returning lease.worker, lease.epoch, free.high_ms as floor_ms`);
      if (!taken) return undefined;
      return { worker: taken.worker, epoch: Number(taken.epoch), floorMs: Number(taken.floor_ms) };
    },
    async renew(worker, epoch, highMs) {
      const renewed = await core.run(sql`
        update core.worker_leases set high_ms = greatest(high_ms, ${highMs})
        where worker = ${worker} and epoch = ${epoch}`);
      return renewed === 1;
    },
    async release(worker, epoch, highMs) {
      await core.run(sql`
        update core.worker_leases set holder = null, epoch = epoch + 1, high_ms = ${highMs}
        where worker = ${worker} and epoch = ${epoch}`);
    },
  };
}

/** @param core the server's own tables (`database.core`) */
export function createPostgresCodeSpaces(core: Queryable): CodeSpaceStore {
  return {
    async open(name, key) {
      // Two statements: in one, a row that another process has just committed would be seen neither way.
      await core.run(sql`
        insert into core.code_spaces (name, key) values (${name}, ${key}) on conflict (name) do nothing`);
      const space = await core.first<{ key: Uint8Array }>(sql`
        select key from core.code_spaces where name = ${name}`);
      assert(space, `code space ${name} has just been made`);
      return space.key;
    },
    async lease(name, count) {
      const block = await core.first<{ first: Bigint }>(sql`
        update core.code_spaces set next = next + ${count} where name = ${name} returning next - ${count} as first`);
      assert(block, `code space ${name} has not been opened`);
      return Number(block.first);
    },
  };
}
