import type { Metrics } from '#base/metrics';

export interface ReferencesMetrics {
  /** Referring rows have been removed. */
  removed(reference: string, rows: number): void;
  /** A sweep has looked at rows. */
  looked(reference: string, found: { rows: number; dangling: number }): void;
  /** A sweep has come to its end. */
  swept(reference: string): void;
}

/** What the references measure. */
export function emitReferencesMetrics(metrics: Metrics): ReferencesMetrics {
  const labels = { reference: { of: 'references' } };
  const counter = (name: string, help: string) =>
    metrics.counter(`loadstone_reference_${name}_total`, { help, labels });
  const removed = counter('removed', 'Rows removed because what they referred to was deleted');
  const rows = counter('looked_at', 'Referring rows that sweeps have looked at');
  const dangling = counter(
    'dangling',
    'Rows that sweeps have found dangling, with nothing under way to remove them',
  );
  const sweeps = counter('sweeps', 'Sweeps that have come to their end');
  return {
    removed: (reference, count) => removed.inc({ reference }, count),
    looked(reference, found) {
      rows.inc({ reference }, found.rows);
      dangling.inc({ reference }, found.dangling);
    },
    swept: (reference) => sweeps.inc({ reference }),
  };
}
