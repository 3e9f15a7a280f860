import type { Metrics } from '#base/metrics';

export interface MeasuredOutbox {
  lag(): { events: number; oldestMs: number };
  isLeading(): boolean;
}

export interface OutboxMeasures {
  moved(events: number, tookMs: number): void;
}

/** What the outbox measures. */
export function emitOutboxMetrics(metrics: Metrics, outbox: MeasuredOutbox): OutboxMeasures {
  metrics.gauge(
    'loadstone_outbox_events',
    'Events that wait for the relay, as of the last second',
    () => outbox.lag().events,
    'max',
  );
  metrics.gauge(
    'loadstone_outbox_oldest_seconds',
    'Age of the oldest event that waits for the relay',
    () => outbox.lag().oldestMs / 1000,
    'max',
  );
  metrics.gauge('loadstone_outbox_leading', '1 in the process whose relay moves events', () =>
    outbox.isLeading() ? 1 : 0,
  );
  const moved = metrics.counter('loadstone_outbox_moved_total', {
    help: 'Events moved to the log by this process',
  });
  const batch = metrics.histogram('loadstone_outbox_batch_seconds', {
    help: 'From the begin to the commit of one batch of the relay',
  });
  return {
    moved(events, tookMs) {
      moved.inc({}, events);
      batch.observe({}, tookMs / 1000);
    },
  };
}
