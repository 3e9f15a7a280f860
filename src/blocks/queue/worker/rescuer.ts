/**
 * What a worker does besides its turns: looks for jobs that other processes tell of, and now and then for those of which
 * nobody has told; makes scheduled jobs ready in time, and takes over the jobs of workers that are gone.
 */
import { createLoop, type Loop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { createLookInterval, type News, type Wakeups } from '#blocks/wakeup';
import type { JobStore } from '../store.ts';
import type { WorkerLane } from './worker-lane.ts';

const PROMOTED_MAX = 1000;
/** Between two looks, however much is told. */
const LOOK_GAP_MS = 5;
/** Between two reaps: a lease that has ended may be of a queue that nobody here works on. */
const REAP_MS = 1000;
const RETRY_MS = 1000;

export interface RescuerDeps extends Runtime {
  store: Pick<JobStore, 'look' | 'promote' | 'reap'>;
  wakeups: Pick<Wakeups, 'isListening' | 'lookMsMax'>;
  /** Jobs of a queue are ready that this worker does not take: others may. */
  offer: (queue: string) => void;
}

export interface Rescuer extends Pick<Loop, 'begin' | 'stop'> {
  /** Another process tells of jobs, by queue; or anything may have been missed. */
  told(news: News): void;
  /** This process has enqueued something. */
  stirred(): void;
  /** A job is to become ready at this Unix time. */
  scheduled(runAtMs: number): void;
}

export function createRescuer(
  { pollMs }: { pollMs: number },
  lanes: readonly WorkerLane[],
  { clock, random, log, store, wakeups, offer }: RescuerDeps,
): Rescuer {
  const queues = lanes.map(({ queue }) => queue);
  const laneOf = new Map(lanes.map((lane) => [lane.queue, lane]));
  const interval = createLookInterval({ pollMs }, { clock, wakeups });
  let reapAtMs = 0;
  let isTold = true;
  let lookedMs = Number.NEGATIVE_INFINITY;

  async function look() {
    const nowMs = clock.monotonicMs();
    lookedMs = nowMs;
    const wasTold = isTold;
    isTold = false;
    if (wasTold) for (const lane of lanes) if (!lane.isHungry()) lane.readyCursor.told();
    const hungry = new Set(lanes.filter((lane) => lane.isHungry()));
    const looking = lanes.filter((lane) => hungry.has(lane) || lane.readyCursor.isLookDue(nowMs));
    const asked = looking.map(({ queue, readyCursor }) => ({
      queue,
      fromScore: readyCursor.lookFrom(nowMs),
    }));
    const { lowest, ...times } = await store.look(asked);
    const answeredMs = clock.monotonicMs();
    looking.forEach((lane, at) => {
      lane.readyCursor.looked(asked[at]?.fromScore ?? 0, lowest[at], answeredMs, answeredMs - nowMs);
      if (lowest[at] === undefined) return;
      // One that has become busy meanwhile was told, as this worker is not.
      if (!wasTold && hungry.has(lane) && lane.isHungry()) interval.foundUntold();
      interval.stirred();
      lane.stir();
    });
    return times;
  }

  /** Whether there may be more of them. */
  async function promote(): Promise<boolean> {
    const promoted = await store.promote(clock.nowMs(), PROMOTED_MAX);
    for (const { queue, scores } of promoted) {
      const lane = laneOf.get(queue);
      if (!lane?.hasRoom()) offer(queue);
      if (!lane) continue;
      for (const score of scores) lane.readyCursor.woken(score);
      lane.stir();
    }
    return promoted.reduce((sum, { scores }) => sum + scores.length, 0) === PROMOTED_MAX;
  }

  async function reap(): Promise<void> {
    reapAtMs = clock.monotonicMs() + REAP_MS * (0.5 + random.fraction());
    for (const { queue, worker, jobs, dead } of await store.reap(queues, clock.nowMs())) {
      if (jobs > 0) log.warn({ queue, worker, jobs }, 'a worker is lost: its jobs run again');
      const lane = laneOf.get(queue);
      for (const job of dead) lane?.died({ ...job, error: `the worker ${worker} was lost` });
      lane?.readyCursor.woken(undefined);
      lane?.stir();
      if (jobs > 0) offer(queue);
    }
  }

  const loop = createLoop(clock, {
    async work() {
      const { dueMs = Number.POSITIVE_INFINITY, leaseEndsMs = Number.POSITIVE_INFINITY } = await look();
      const nowMs = clock.nowMs();
      if (leaseEndsMs < nowMs && clock.monotonicMs() >= reapAtMs) await reap();
      if (dueMs <= nowMs) while (await promote());
      // What was due has been seen to, here or by another worker, and the next one is not known yet.
      const nextMs = Math.min(dueMs, leaseEndsMs + 1) - nowMs;
      return Math.min(interval.nextMs(), nextMs > 0 ? nextMs : pollMs);
    },
    failed(error) {
      log.warn({ err: error }, 'looking for jobs failed; trying again');
      return RETRY_MS * (0.5 + random.fraction());
    },
  });
  return {
    ...loop,
    told(news) {
      isTold = true;
      interval.stirred();
      for (const { queue, readyCursor, isHungry } of lanes)
        if ((!news || news.has(queue)) && !isHungry()) readyCursor.told();
      loop.hurry(Math.max(0, lookedMs + LOOK_GAP_MS - clock.monotonicMs()));
    },
    stirred: interval.stirred,
    scheduled(runAtMs) {
      loop.hurry(Math.max(LOOK_GAP_MS, runAtMs - clock.nowMs()));
    },
  };
}
