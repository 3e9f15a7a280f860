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
