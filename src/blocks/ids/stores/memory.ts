/**
 * The ports in one process's memory: for tests and simulations. Nothing outlives the process.
 */
import assert from 'node:assert/strict';
import { WORKER_MAX } from '../layout.ts';
import type { CodeSpaceStore, WorkerLeaseStore } from '../store.ts';

/** @param workers how many worker numbers there are: fewer than 128 make a simulation reuse them sooner */
export function createMemoryWorkerLeases(workers: number = WORKER_MAX + 1): WorkerLeaseStore {
  const rows = Array.from({ length: workers }, (_, worker) => ({ worker, epoch: 0, highMs: 0 }));

  function held(worker: number, epoch: number) {
    const row = rows[worker];
    return row?.epoch === epoch ? row : undefined;
  }

  return {
    async take({ nowMs, highMs }) {
      const free = rows.filter((row) => row.highMs < nowMs);
      const row = free.toSorted((a, b) => a.highMs - b.highMs || a.worker - b.worker)[0];
      if (!row) return undefined;
      const floorMs = row.highMs;
      row.epoch += 1;
      row.highMs = highMs;
      return { worker: row.worker, epoch: row.epoch, floorMs };
    },
    async renew(worker, epoch, highMs) {
      const row = held(worker, epoch);
      if (row) row.highMs = Math.max(row.highMs, highMs);
      return row !== undefined;
    },
    async release(worker, epoch, highMs) {
      const row = held(worker, epoch);
      if (!row) return;
      row.epoch += 1;
      row.highMs = highMs;
    },
  };
}

/** Code spaces that last as long as the process. */
export function createMemoryCodeSpaces(): CodeSpaceStore {
  const spaces = new Map<string, { key: Uint8Array; next: number }>();
  return {
    async open(name, key) {
      const space = spaces.get(name) ?? { key: Uint8Array.from(key), next: 0 };
      spaces.set(name, space);
      return space.key;
    },
    async lease(name, count) {
      const space = spaces.get(name);
      assert(space, `code space ${name} has not been opened`);
      space.next += count;
      return space.next - count;
    },
  };
}
