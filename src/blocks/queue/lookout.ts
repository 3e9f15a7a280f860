/**
 * What a worker does besides its turns: looks for jobs of other processes, makes scheduled jobs ready in time, and takes
 * over the jobs of workers that are gone.
 */
import type { Clock } from '#base/clock';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import type { Lane } from './lane.ts';
import { createLoop, type Loop } from './loop.ts';
import type { JobStore } from './store.ts';

const PROMOTED_MAX = 1000;
const REAP_MS = 1000;
const RETRY_MS = 1000;

export interface LookoutDeps {
  clock: Clock;
  random: Random;
  log: Log;
  store: Pick<JobStore, 'look' | 'promote' | 'reap'>;
}

export function createLookout(
  { pollMs }: { pollMs: number },
  lanes: readonly Lane[],
  { clock, random, log, store }: LookoutDeps,
): Loop {
  const queues = lanes.map(({ queue }) => queue);
  const laneOf = new Map(lanes.map((lane) => [lane.queue, lane]));
  let reapAtMs = 0;

  async function look(): Promise<number | undefined> {
    const nowMs = clock.monotonicMs();
    const looking = lanes.filter((lane) => lane.isHungry() || lane.line.isLookDue(nowMs));
    const asked = looking.map(({ queue, line }) => ({ queue, fromScore: line.lookFrom(nowMs) }));
    const { lowest, dueMs } = await store.look(asked);
    const answeredMs = clock.monotonicMs();
    looking.forEach(({ line, stir }, at) => {
      line.looked(asked[at]?.fromScore ?? 0, lowest[at], answeredMs, answeredMs - nowMs);
      if (lowest[at] !== undefined) stir();
    });
    return dueMs;
  }

  /** Whether there may be more of them. */
  async function promote(): Promise<boolean> {
    const promoted = await store.promote(clock.nowMs(), PROMOTED_MAX);
    for (const { queue, scores } of promoted) {
      const lane = laneOf.get(queue);
      if (!lane) continue;
      for (const score of scores) lane.line.woken(score);
      lane.stir();
    }
    return promoted.reduce((sum, { scores }) => sum + scores.length, 0) === PROMOTED_MAX;
  }

  async function reap(): Promise<void> {
    reapAtMs = clock.monotonicMs() + REAP_MS * (0.5 + random.fraction());
    for (const { queue, worker, jobs, dead } of await store.reap(queues, clock.nowMs())) {
      if (jobs > 0) log.warn({ queue, worker, jobs }, 'a worker is lost: its jobs run again');
      const lane = laneOf.get(queue);
      for (const job of dead) lane?.buried({ ...job, error: `the worker ${worker} was lost` });
      lane?.line.woken(undefined);
      lane?.stir();
    }
  }

  return createLoop(
    clock,
    async () => {
      const dueMs = await look();
      if (clock.monotonicMs() >= reapAtMs) await reap();
      while (dueMs !== undefined && dueMs <= clock.nowMs() && (await promote()));
      return pollMs;
    },
    (error) => {
      log.warn({ err: error }, 'looking for jobs failed; trying again');
      return RETRY_MS * (0.5 + random.fraction());
    },
  );
}
