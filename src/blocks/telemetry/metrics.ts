import type { Metrics } from '#base/metrics';

export interface XminReadings {
  ageMs: () => number;
  ageTransactions: () => number;
  isOverLimit: () => boolean;
  failures: () => number;
}

/** What the watch measures. After a look that failed the gauges stand as they were. */
export function emitXminMetrics(metrics: Metrics, readings: XminReadings): void {
  metrics.gauge(
    'loadstone_xmin_age_seconds',
    'How long the oldest snapshot or transaction has held back vacuum',
    () => readings.ageMs() / 1000,
    'max',
  );
  metrics.gauge(
    'loadstone_xmin_age_transactions',
    'Transactions that have begun since the oldest snapshot that holds back vacuum',
    readings.ageTransactions,
    'max',
  );
  metrics.gauge(
    'loadstone_xmin_over_limit',
    '1 while vacuum is held back for longer than the limits allow',
    () => (readings.isOverLimit() ? 1 : 0),
    'max',
  );
  metrics.counted(
    'loadstone_xmin_look_failures_total',
    'Looks at what holds back vacuum that the database did not answer',
    readings.failures,
  );
}

export interface TraceExportCounts {
  sent: number;
  failed: number;
}

/** What the trace export measures. */
export function emitTraceExportMetrics(metrics: Metrics, counts: TraceExportCounts): void {
  const spans = metrics.counts('loadstone_trace_spans_total', {
    help: 'Spans that the OpenTelemetry receiver has taken (sent), or that were dropped because it did not (failed)',
    labels: { result: ['sent', 'failed'] },
  });
  spans.watch({ result: 'sent' }, () => counts.sent);
  spans.watch({ result: 'failed' }, () => counts.failed);
}
