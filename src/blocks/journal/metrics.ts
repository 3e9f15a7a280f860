import type { Metrics } from '#base/metrics';

export interface JournalReadings {
  /** Records acknowledged. */
  appended: () => number;
  groups: () => number;
  shed: () => number;
  /** On disk, of journals that this one has taken over too. */
  bytes: () => number;
}

const labels = { journal: { of: 'journals' } };

/** What a journal measures. */
export function emitJournalMetrics(metrics: Metrics, name: string, readings: JournalReadings): void {
  const own = { journal: name };
  const records = metrics.counts('loadstone_journal_records_total', {
    help: 'Records given to a journal: written (appended), or not kept, since it was full or could not be written (shed)',
    labels: { ...labels, result: ['appended', 'shed'] },
  });
  records.watch({ ...own, result: 'appended' }, readings.appended);
  records.watch({ ...own, result: 'shed' }, readings.shed);
  metrics
    .counts('loadstone_journal_groups_total', { help: 'Writes that the appended records took', labels })
    .watch(own, readings.groups);
  metrics
    .gauges('loadstone_journal_bytes', { help: 'Bytes that a journal has on disk', labels })
    .watch(own, readings.bytes);
}

export interface ShipperReadings {
  shipped: () => number;
  failures: () => number;
  lagRecords: () => number;
  lagMs: () => number;
}

/** What the shipper of a journal measures. */
export function emitShipperMetrics(metrics: Metrics, name: string, readings: ShipperReadings): void {
  const own = { journal: name };
  metrics
    .counts('loadstone_journal_shipped_total', { help: 'Records shipped into Postgres', labels })
    .watch(own, readings.shipped);
  metrics
    .counts('loadstone_journal_ship_failures_total', { help: 'Attempts to ship that failed', labels })
    .watch(own, readings.failures);
  metrics
    .gauges('loadstone_journal_lag_records', { help: 'Records that wait to be shipped', labels })
    .watch(own, readings.lagRecords);
  metrics
    .gauges('loadstone_journal_lag_seconds', { help: 'Age of the oldest of them', labels, across: 'max' })
    .watch(own, () => readings.lagMs() / 1000);
}
