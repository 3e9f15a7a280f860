import type { Metrics } from '#base/metrics';
import type { Admission } from './enqueue/admission.ts';
import type { QueueMeasure } from './store.ts';

/** What the lanes of the workers measure. */
export interface LaneMetrics {
  /** An attempt has ended. */
  ended(as: 'done' | 'failed', seconds: number): void;
  /** A job has failed for good. */
  died(): void;
  leaseLost(): void;
  turned(seconds: number): void;
  /** So many ends have been written down. */
  recorded(jobs: number): void;
}

export interface QueueMetrics {
  ofLane(queue: string): LaneMetrics;
  /** Declares the gauges of a queue, which read what was last measured. */
  ofQueue(queue: string, measure: () => QueueMeasure | undefined): void;
}

const JOB_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800];

/** Seconds in which the workers would have ended all that is due, at their present rate; 0 when nothing is. */
export function drainSeconds(measure: QueueMeasure | undefined): number {
  if (!measure) return 0;
  const due = measure.waiting - measure.scheduled;
  if (due <= 0) return 0;
  return measure.endedPerS > 0 ? due / measure.endedPerS : Number.POSITIVE_INFINITY;
}

export function createQueueMetrics(metrics: Metrics, admission: Admission): QueueMetrics {
  const labels = { queue: { of: 'queues' } };
  const attempts = metrics.histogram('loadstone_queue_attempt_seconds', {
    help: 'How long attempts took, by queue and end (done, failed)',
    labels: { ...labels, end: ['done', 'failed'] },
    buckets: JOB_SECONDS,
  });
  const turns = metrics.histogram('loadstone_queue_turn_seconds', {
    help: 'How long a worker took to record ended jobs and take the next',
    labels,
  });
  const dead = metrics.counter('loadstone_queue_dead_total', {
    help: 'Jobs that have failed for good',
    labels,
  });
  const lost = metrics.counter('loadstone_queue_leases_lost_total', {
    help: 'Leases that a worker could not renew in time',
    labels,
  });

  return {
    ofLane(queue) {
      const done = attempts.series({ queue, end: 'done' });
      const failed = attempts.series({ queue, end: 'failed' });
      const turn = turns.series({ queue });
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
        metrics.gauges(`loadstone_queue_${name}`, { help, labels, across: 'max' }).watch({ queue }, read);
      gauge('waiting', 'Jobs waiting', () => admission.waiting(queue));
      gauge('dead', 'Dead jobs', () => measure()?.dead ?? 0);
      gauge('workers', 'Workers', () => measure()?.workers ?? 0);
      gauge('drain_seconds', 'Backlog divided by the rate at which it is worked off', () =>
        drainSeconds(measure()),
      );
      metrics
        .counts('loadstone_queue_dropped_total', {
          help: 'Jobs dropped because their queue was full',
          labels,
        })
        .watch({ queue }, () => admission.dropped(queue));
    },
  };
}
