/**
 * What the projection block measures; a projection's lag is that of its consumer group (`loadstone_stream_lag_*`).
 */
import type { Metrics } from '#base/metrics';

export interface ProjectionMeasures {
  verified(name: string, differencesTotal: number): void;
  rebuilt(name: string, tookMs: number): void;
}

/** Declares the metrics. */
export function emitProjectionMetrics(metrics: Metrics): ProjectionMeasures {
  const labels = { projection: { of: 'projections' } };
  const verified = metrics.counter('loadstone_projection_verified_total', {
    help: 'Comparisons of a projection with the truth that this process has finished',
    labels,
  });
  const different = metrics.counter('loadstone_projection_differences_total', {
    help: 'Rows that were found to differ from the truth',
    labels,
  });
  const rebuilt = metrics.histogram('loadstone_projection_rebuild_seconds', {
    help: 'How long rebuilds took',
    labels,
    buckets: [0.1, 1, 10, 60, 300, 1800, 7200, 21_600],
  });
  return {
    verified(name, differencesTotal) {
      verified.inc({ projection: name });
      different.inc({ projection: name }, differencesTotal);
    },
    rebuilt: (name, tookMs) => rebuilt.observe({ projection: name }, tookMs / 1000),
  };
}
