import type { Signals } from '#base/signals';
import type { Admission } from './admission.ts';
import type { QueueMeasure } from './store.ts';

/** What the lanes of the workers measure. */
export interface LaneSignals {
  /** An attempt has ended. */
  ended(as: 'done' | 'failed', seconds: number): void;
  /** A job has failed for good. */
  died(): void;
  leaseLost(): void;
  turned(seconds: number): void;
  /** So many ends have been written down. */
  recorded(jobs: number): void;
}

export interface QueueSignals {
  ofLane(queue: string): LaneSignals;
  /** Declares the gauges of a queue, which read what was last measured. */
  ofQueue(queue: string, measure: () => QueueMeasure | undefined): void;
}

const JOB_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800];

/** Seconds in which the workers would have ended all that is due, at their present pace; 0 when nothing is. */
export function drainSeconds(measure: QueueMeasure | undefined): number {
  if (!measure) return 0;
  const due = measure.waiting - measure.scheduled;
  if (due <= 0) return 0;
  return measure.endedPerS > 0 ? due / measure.endedPerS : Number.POSITIVE_INFINITY;
}

export function createQueueSignals(signals: Signals, admission: Admission): QueueSignals {
  const labels = ['queue'];
  const attempts = signals.histogram('loadstone_queue_attempt_seconds', {
    help: 'How long attempts took, by queue and end (done, failed)',
    labels: ['queue', 'end'],
    buckets: JOB_SECONDS,
  });
  const turns = signals.histogram('loadstone_queue_turn_seconds', {
    help: 'How long a worker took to record ended jobs and take the next',
    labels,
  });
  const dead = signals.counter('loadstone_queue_dead_total', {
    help: 'Jobs that have failed for good',
    labels,
  });
  const lost = signals.counter('loadstone_queue_leases_lost_total', {
    help: 'Leases that a worker could not renew in time',
    labels,
  });

  return {
    ofLane(queue) {
      const done = attempts.labels(queue, 'done');
      const failed = attempts.labels(queue, 'failed');
      const turn = turns.labels(queue);
      // A series that begins with its first increase hides that from `increase()`.
      for (const counter of [dead, lost]) counter.inc({ queue }, 0);
      return {
        ended: (as, seconds) => (as === 'done' ? done : failed).observe(seconds),
        died: () => dead.inc({ queue }),
        leaseLost: () => lost.inc({ queue }),
        turned: (seconds) => turn.observe(seconds),
        recorded: (jobs) => admission.ended(queue, jobs),
      };
    },
    ofQueue(queue, measure) {
      const gauge = (name: string, help: string, read: () => number) =>
        signals.gauge(`loadstone_queue_${queue}_${name}`, help, read, 'max');
      gauge('waiting', `Jobs waiting in ${queue}`, () => admission.waiting(queue));
      gauge('dead', `Dead jobs of ${queue}`, () => measure()?.dead ?? 0);
      gauge('workers', `Workers on ${queue}`, () => measure()?.workers ?? 0);
      gauge('drain_seconds', `Backlog of ${queue} divided by the pace at which it is worked off`, () =>
        drainSeconds(measure()),
      );
      signals.counted(
        `loadstone_queue_${queue}_dropped_total`,
        `Jobs of ${queue} dropped because it was full`,
        () => admission.dropped(queue),
      );
    },
  };
}
