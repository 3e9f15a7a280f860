/**
 * Carries out the jobs of some queues.
 */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Runtime } from '#base/runtime';
import type { Handler } from '../job.ts';
import type { QueueOptions } from '../options.ts';
import type { Queue } from '../queue.ts';
import { createRescuer } from './rescuer.ts';
import { createWorkerLane, type WorkerLane } from './worker-lane.ts';

export interface WorkerOptions extends Pick<QueueOptions, 'pollMs' | 'leaseMs' | 'prefetchMax'> {
  /** How many jobs of each queue run at once. */
  queues: Readonly<Record<string, { concurrency: number }>>;
}

export interface WorkerDeps extends Runtime {
  queue: Queue;
  /** By queue. */
  handlers: Readonly<Record<string, Handler>>;
}

const CONCURRENCY_MAX = 1000;

/**
 * A worker of this process. Its stop takes no more jobs, gives back those not begun, and waits for the others until the
 * deadline; then their signals abort and others run them again.
 */
export function createWorker(options: WorkerOptions, deps: WorkerDeps): Lifecycle {
  const { clock, random, log, queue, handlers } = deps;
  const { store, scores, metrics, definitionOf, onWake, wakeups, offer } = queue.forWorkers;
  const { leaseMs, prefetchMax } = options;
  const worker = `${hostname()}:${process.pid}:${random.bytes(4).toString('hex')}`;

  const lanes = Object.entries(options.queues).map(([name, { concurrency }]): WorkerLane => {
    const handler = handlers[name];
    assert(handler, `no handler for the queue ${name}`);
    const isCount = Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= CONCURRENCY_MAX;
    assert(isCount, `${name}: a concurrency is 1 to ${CONCURRENCY_MAX}: ${concurrency}`);
    return createWorkerLane(
      { definition: definitionOf(name), concurrency, worker, leaseMs, prefetchMax },
      {
        ...{ clock, random, log, store, scores, handler, offer },
        metrics: metrics.ofLane(name),
        scheduled: (runAtMs) => rescuer.scheduled(runAtMs),
      },
    );
  });
  const rescuer = createRescuer(options, lanes, { clock, random, log, store, wakeups, offer });
  let unsubscribe: (() => void) | undefined;

  return createLifecycle('worker', {
    async start() {
      for (const lane of lanes) lane.open();
      const stopWaking = onWake({
        ready(name, score) {
          rescuer.stirred();
          const lane = lanes.find((each) => each.queue === name);
          const isTaken = lane?.hasRoom() ?? false;
          lane?.readyCursor.woken(score);
          lane?.stir();
          return isTaken;
        },
        scheduled: rescuer.scheduled,
      });
      const stopListening = wakeups.on('jobs', rescuer.told);
      unsubscribe = () => {
        stopWaking();
        stopListening();
      };
      rescuer.begin();
    },
    async stop(deadline) {
      unsubscribe?.();
      // A look that hangs in a database that is away settles by itself; nothing waits for what it finds.
      const looking = withSignal(rescuer.stop(), deadline).catch(() => {});
      await Promise.all([looking, ...lanes.map((lane) => lane.close(deadline))]);
    },
    health: () =>
      lanes.map((lane) => lane.health()).find(({ status }) => status === 'failing') ?? { status: 'ok' },
  });
}
