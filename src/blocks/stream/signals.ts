/**
 * What the stream block measures. Lag is of the partitions that a process has: the sum over processes is that of the
 * group.
 */
import { Gauge } from 'prom-client';
import type { AcrossProcesses, Signals } from '#base/signals';
import type { StreamEvent } from './event.ts';

/** A consumer, as it is scraped. */
export interface MeasuredConsumer {
  readonly stream: string;
  readonly group: string;
  partitions(): number[];
  lag(): { events: number; oldestMs: number };
}

export interface ConsumerMeasures {
  /** After the commit of their effects. */
  handled(events: readonly StreamEvent[], nowMs: number): void;
  refused(isParked: boolean): void;
}

export interface StreamMeasures {
  ofConsumer(stream: string, group: string): ConsumerMeasures;
  /** Returns the unsubscribe. */
  watch(consumer: MeasuredConsumer): () => void;
  /** Segments dropped with events that a group had not read. */
  droppedUnread(): void;
}

/** Declares the metrics. */
export function emitStreamSignals(signals: Signals): StreamMeasures {
  const labels = ['stream', 'group'] as const;
  const consumers = new Set<MeasuredConsumer>();
  const handled = signals.counter('loadstone_stream_events_handled_total', {
    help: 'Events whose effects a consumer group has committed',
    labels,
  });
  const refused = signals.counter('loadstone_stream_events_refused_total', {
    help: 'Attempts at single events that failed',
    labels,
  });
  const parked = signals.counter('loadstone_stream_events_parked_total', {
    help: 'Events given up until somebody redrives or discards them',
    labels,
  });
  const delay = signals.histogram('loadstone_stream_delay_seconds', {
    help: 'From the creation of an event to the commit of its effect; of each batch the oldest event',
    labels,
  });
  const dropped = signals.counter('loadstone_stream_segments_dropped_unread_total', {
    help: 'Segments of the log dropped for want of space before every group had read them',
  });
  const gauge = (
    name: string,
    help: string,
    read: (consumer: MeasuredConsumer) => number,
    across: AcrossProcesses = 'sum',
  ) =>
    new Gauge({
      name,
      help,
      aggregator: across,
      labelNames: labels,
      registers: [signals.registry],
      collect() {
        this.reset();
        for (const each of consumers) this.labels(each.stream, each.group).set(read(each));
      },
    });
  gauge(
    'loadstone_stream_lag_events',
    'Events that a group has before it, of the partitions of this process',
    (each) => each.lag().events,
  );
  gauge(
    'loadstone_stream_lag_seconds',
    'Age of the oldest event that a group has before it',
    (each) => each.lag().oldestMs / 1000,
    'max',
  );
  gauge(
    'loadstone_stream_partitions_owned',
    'Partitions that a group works on in this process',
    (each) => each.partitions().length,
  );

  return {
    ofConsumer(stream, group) {
      // A series that begins with its first increase hides that from `increase()`.
      for (const counter of [handled, refused, parked]) counter.labels(stream, group).inc(0);
      return {
        handled(events, nowMs) {
          handled.labels(stream, group).inc(events.length);
          const oldestMs = Math.min(...events.map(({ createdAt }) => createdAt.getTime()));
          delay.labels(stream, group).observe(Math.max(0, nowMs - oldestMs) / 1000);
        },
        refused(isParked) {
          refused.labels(stream, group).inc();
          if (isParked) parked.labels(stream, group).inc();
        },
      };
    },
    watch(consumer) {
      consumers.add(consumer);
      return () => consumers.delete(consumer);
    },
    droppedUnread: () => dropped.inc(),
  };
}
