/**
 * Ids: unique over all processes, ordered by time within one. See README.md for what is promised and why it
 * holds.
 */
import assert from 'node:assert/strict';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { idsErrors } from './errors.ts';
import { BUCKET_MAX, formatId, SEQUENCE_MAX } from './layout.ts';
import { createWorkerLease, type IdsDeps, idTimeMs, type Lease } from './lease.ts';
import type { IdsOptions } from './options.ts';

/** How far ahead of the clock ids may be, in milliseconds. */
export const AHEAD_MS_MAX = 1000;

/** By how much a clock may be corrected without another worker being taken for it. */
const SLEWED_MS_MAX = 100;

export interface Ids extends Lifecycle {
  /**
   * The next id, a decimal string. (timeMs, sequence) grows with each call, so ids of one bucket grow as numbers; of two
   * ids of one millisecond with different buckets, the higher bucket is the greater. When the clock has been stepped back
   * by more than may be borrowed, they begin anew, under another worker.
   * @param bucket the logical bucket of the row's shard key, 0–1023
   * @throws ids_ahead_of_clock, worker_lease_lost, clock_out_of_range, stopped
   */
  next(bucket: number): string;
}

/** `start` takes a worker: @throws workers_exhausted when all 128 are in use, clock_out_of_range. */
export function createIds(options: IdsOptions, deps: IdsDeps): Ids {
  const { clock } = deps;
  /** The lease that the last id was issued under. */
  let lease: Lease | undefined;
  let lastMs = Number.NEGATIVE_INFINITY;
  let sequence = SEQUENCE_MAX;
  // One that has been taken and not been used yet starts from its floor.
  const isAhead = () => workerLease.held() === lease && isStepped(Math.floor(clock.nowMs()));
  const workerLease = createWorkerLease(options, deps, { lastMs: () => lastMs, isAhead });

  /** The last id is further ahead than borrowing and a clock that is being slewed explain. */
  function isStepped(nowMs: number): boolean {
    return lastMs - nowMs > AHEAD_MS_MAX + SLEWED_MS_MAX;
  }

  /**
   * Goes on after the new worker's floor, and after what was issued here: a lower worker number would sort
   * before it. Not so when the clock has been stepped back: then it would have to wait until that has caught up, which a
   * new process would not.
   */
  function adopt(taken: Lease): void {
    lease = taken;
    lastMs = isStepped(idTimeMs(clock)) ? taken.floorMs : Math.max(lastMs, taken.floorMs);
    sequence = SEQUENCE_MAX;
  }

  function refuseAhead(nowMs: number): never {
    const aheadMs = lastMs - nowMs;
    if (isStepped(nowMs)) workerLease.hurry();
    throw idsErrors.ids_ahead_of_clock({
      detail: `the last id is ${aheadMs} ms ahead of the clock; ${AHEAD_MS_MAX} are allowed`,
      retryAfterS: 1,
    });
  }

  function refuseBeyondRange(worker: number): never {
    workerLease.hurry();
    throw idsErrors.worker_lease_lost({
      detail: `the lease of worker ${worker} has not been renewed in time`,
      retryAfterS: 1,
    });
  }

  function next(bucket: number): string {
    assert(Number.isInteger(bucket) && bucket >= 0 && bucket <= BUCKET_MAX, `not a bucket: ${bucket}`);
    const held = workerLease.current();
    if (held !== lease) adopt(held);
    const nowMs = idTimeMs(clock);
    const borrowing = nowMs <= lastMs;
    const timeMs = !borrowing ? nowMs : sequence < SEQUENCE_MAX ? lastMs : lastMs + 1;
    if (timeMs > nowMs + AHEAD_MS_MAX) refuseAhead(nowMs);
    if (timeMs > held.highMs) refuseBeyondRange(held.worker);
    sequence = timeMs === lastMs ? sequence + 1 : 0;
    lastMs = timeMs;
    return formatId({ timeMs, bucket, worker: held.worker, sequence });
  }

  const lifecycle = createLifecycle('ids', {
    start: (signal) => workerLease.take(signal),
    stop: (deadline) => workerLease.close(deadline),
    health() {
      const aheadMs = lastMs - Math.floor(clock.nowMs());
      if (isAhead()) {
        return {
          status: 'failing',
          reason: `the clock has stepped back: it is ${aheadMs} ms behind the last id, and another worker is being taken`,
        };
      }
      return workerLease.health();
    },
  });
  return { ...lifecycle, next };
}
