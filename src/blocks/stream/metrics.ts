/**
 * What the stream block measures. Lag is of the partitions that a process has: the sum over processes is that of the
 * group.
 */
import type { AcrossProcesses, Metrics } from '#base/metrics';
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
export function emitStreamMetrics(metrics: Metrics): StreamMeasures {
  const labels = { stream: { of: 'streams' }, group: { of: 'consumer groups' } };
  const consumers = new Map<string, MeasuredConsumer>();
  const handled = metrics.counter('loadstone_stream_events_handled_total', {
    help: 'Events whose effects a consumer group has committed',
    labels,
  });
  const refused = metrics.counter('loadstone_stream_events_refused_total', {
    help: 'Attempts at single events that failed',
    labels,
  });
  const parked = metrics.counter('loadstone_stream_events_parked_total', {
    help: 'Events given up until somebody redrives or discards them',
    labels,
  });
  const delay = metrics.histogram('loadstone_stream_delay_seconds', {
    help: 'From the creation of an event to the commit of its effect; of each batch the oldest event',
    labels,
  });
  const dropped = metrics.counter('loadstone_stream_segments_dropped_unread_total', {
    help: 'Segments of the log dropped for want of space before every group had read them',
  });
  const gauge = (
    name: string,
    help: string,
    read: (consumer: MeasuredConsumer) => number,
    across: AcrossProcesses = 'sum',
  ) => {
    const family = metrics.gauges(name, { help, labels, across });
    return ({ stream, group }: MeasuredConsumer) =>
      family.watch({ stream, group }, () => {
        const consumer = consumers.get(`${stream} ${group}`);
        return consumer && read(consumer);
      });
  };
  const lagEvents = gauge(
    'loadstone_stream_lag_events',
    'Events that a group has before it, of the partitions of this process',
    (each) => each.lag().events,
  );
  const lagSeconds = gauge(
    'loadstone_stream_lag_seconds',
    'Age of the oldest event that a group has before it',
    (each) => each.lag().oldestMs / 1000,
    'max',
  );
  const partitions = gauge(
    'loadstone_stream_partitions_owned',
    'Partitions that a group works on in this process',
    (each) => each.partitions().length,
  );

  return {
    ofConsumer(stream, group) {
      // A series that begins with its first increase hides that from `increase()`.
      for (const counter of [handled, refused, parked]) counter.inc({ stream, group }, 0);
      const delays = delay.series({ stream, group });
      return {
        handled(events, nowMs) {
          handled.inc({ stream, group }, events.length);
          const oldestMs = Math.min(...events.map(({ createdAt }) => createdAt.getTime()));
          delays.observe(Math.max(0, nowMs - oldestMs) / 1000);
        },
        refused(isParked) {
          refused.inc({ stream, group });
          if (isParked) parked.inc({ stream, group });
        },
      };
    },
    watch(consumer) {
      const key = `${consumer.stream} ${consumer.group}`;
      consumers.set(key, consumer);
      for (const show of [lagEvents, lagSeconds, partitions]) show(consumer);
      return () => {
        if (consumers.get(key) === consumer) consumers.delete(key);
      };
    },
    droppedUnread: () => dropped.inc({}),
  };
}
