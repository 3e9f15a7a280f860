/**
 * What is done for a database as a whole: counting the queues, which feeds back pressure and the scaling signal; rotating
 * the history; clearing out what queues that drop have too much; and cron. One process does it for all, under a lease;
 * the others read what it has measured.
 */
import { togetherMs } from '#base/clock';
import { createLoop, type Loop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import type { Definition } from '../definition.ts';
import type { Admission } from '../enqueue/admission.ts';
import { createThroughput } from '../enqueue/throughput.ts';
import type { QueueOptions } from '../options.ts';
import type { JobInspectionStore, MaintenanceStore, QueueMeasure } from '../store.ts';

/** Whether this process is the one. As far as it knows: what it does is safe if two do it. */
export interface LeaderLease {
  held(): boolean;
}

export interface MaintenanceDeps extends Runtime {
  leader: LeaderLease;
  /** Which process trims the queues of `definitions`. */
  maintainer: LeaderLease;
  store: MaintenanceStore;
  inspection: Pick<JobInspectionStore, 'leastWorthy' | 'withdraw'>;
  admission: Admission;
  definitions: readonly Definition[];
  /** Whether this process is told of what others enqueue. */
  isListening: () => boolean;
}

export interface Maintenance {
  /** Makes today's part of the history and measures once. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Jobs were enqueued or ended: the next count is to come as soon as one may. */
  stirred(): void;
  /** As last measured. */
  measures(): readonly QueueMeasure[];
}

const MEASURE_MS = 1000;
/** While nothing waits or runs, and nobody enqueues here. */
const IDLE_MEASURE_MS = 12_000;
/** Counting takes at most a twentieth of the time, however many jobs there are. */
const SHARE_OF_TIME = 20;
const CLEAR_MS = 10_000;
/** While nothing is held or dead. */
const IDLE_CLEAR_MS = 60_000;
const ROTATE_MS = 3_600_000;
const RETRY_MS = 5000;
const BATCH = 1000;
/** Batches in one pass. */
const BATCHES_MAX = 20;

export function createMaintenance(
  { historyMs, deadMs }: Pick<QueueOptions, 'historyMs' | 'deadMs'>,
  deps: MaintenanceDeps,
): Maintenance {
  const { clock, random, log, leader, maintainer, store, inspection, admission, definitions, isListening } =
    deps;
  let measures: readonly QueueMeasure[] = [];
  const throughput = createThroughput();
  let tookBeforeMs = 0;
  let soonestAtMs = Number.NEGATIVE_INFINITY;
  let isStirred = false;
  let clearedMs = Number.NEGATIVE_INFINITY;

  const jitter = (ms: number) => ms * (0.75 + 0.5 * random.fraction());

  function loopOf(what: string, work: () => Promise<number>): Loop {
    return createLoop(clock, {
      work,
      failed(error) {
        log.warn({ err: error }, `${what} failed; trying again`);
        return jitter(RETRY_MS);
      },
    });
  }

  async function measure(): Promise<number> {
    const startedMs = clock.monotonicMs();
    const wasStirred = isStirred;
    isStirred = false;
    if (leader.held()) {
      const nowMs = clock.nowMs();
      measures = throughput.follow(await store.count(nowMs), nowMs);
      await store.publish(measures);
    } else {
      throughput.forget();
      measures = await store.measures();
    }
    admission.measured(measures);
    // The shorter of the last two: one that was held up by something else says nothing about the next.
    const tookMs = clock.monotonicMs() - startedMs;
    const costMs = Math.min(tookMs, tookBeforeMs);
    tookBeforeMs = tookMs;
    const soonestMs = Math.max(MEASURE_MS, costMs * SHARE_OF_TIME);
    soonestAtMs = clock.monotonicMs() + soonestMs;
    const isIdle =
      isListening() &&
      !wasStirred &&
      measures.every(({ waiting, scheduled, running }) => waiting - scheduled + running === 0);
    return isIdle ? Math.max(soonestMs, togetherMs(clock, IDLE_MEASURE_MS)) : jitter(soonestMs);
  }

  /** Of a queue that drops, what is beyond its bound. */
  async function trim({ name, waitingMax }: Definition): Promise<void> {
    const waiting = measures.find(({ queue }) => queue === name)?.waiting ?? 0;
    let excess = waiting - waitingMax;
    for (let batch = 0; batch < BATCHES_MAX && excess > 0; batch++) {
      const chosen = await inspection.leastWorthy(name, Math.min(excess, BATCH));
      const dropped = await inspection.withdraw(name, chosen, 'dropped', clock.nowMs());
      admission.trimmed(name, dropped.length);
      if (dropped.length === 0) return;
      excess -= dropped.length;
    }
  }

  async function clear(): Promise<number> {
    if (!leader.held()) return jitter(CLEAR_MS);
    const nowMs = clock.nowMs();
    const isIdle = measures.every(({ held, dead }) => held + dead === 0);
    if (isIdle && clock.monotonicMs() - clearedMs < IDLE_CLEAR_MS) return jitter(CLEAR_MS);
    clearedMs = clock.monotonicMs();
    await store.releaseOrphans(nowMs);
    for (let batch = 0; batch < BATCHES_MAX; batch++) {
      if ((await store.forgetDead(nowMs - deadMs, BATCH)) < BATCH) break;
    }
    return jitter(CLEAR_MS);
  }

  /** Done by every process: without the day's part no job can end, and it costs nothing if it is there. */
  async function rotate(): Promise<number> {
    const dropped = await store.rotateHistory(clock.nowMs(), historyMs);
    if (dropped > 0) log.info({ dropped }, 'days of the job history dropped');
    return jitter(ROTATE_MS);
  }

  async function measureAndTrim(): Promise<number> {
    const inMs = await measure();
    if (!maintainer.held()) return inMs;
    for (const definition of definitions) if (definition.whenFull === 'drop') await trim(definition);
    return inMs;
  }

  const measuring = loopOf('measuring the queues', measureAndTrim);
  const clearing = loopOf('clearing the queues', clear);
  const rotating = loopOf('rotating the job history', rotate);

  return {
    async start() {
      await rotate();
      await measure();
      measuring.begin(MEASURE_MS);
      clearing.begin(jitter(CLEAR_MS));
      rotating.begin(jitter(ROTATE_MS));
    },
    async stop() {
      await Promise.all([measuring.stop(), clearing.stop(), rotating.stop()]);
    },
    stirred() {
      isStirred = true;
      measuring.hurry(Math.max(0, soonestAtMs - clock.monotonicMs()));
    },
    measures: () => measures,
  };
}
