import type { Signals } from '#base/signals';

export interface JournalReadings {
  /** Records acknowledged. */
  appended: () => number;
  groups: () => number;
  shed: () => number;
  /** On disk, of journals that this one has taken over too. */
  bytes: () => number;
}

/** What a journal measures. */
export function emitJournalSignals(signals: Signals, name: string, readings: JournalReadings): void {
  const prefix = `loadstone_journal_${name}`;
  signals.counted(`${prefix}_appended_total`, `Records written to the journal ${name}`, readings.appended);
  signals.counted(`${prefix}_groups_total`, `Writes that these records took`, readings.groups);
  signals.counted(
    `${prefix}_shed_total`,
    `Records that the journal ${name} did not keep, since it was full or could not be written`,
    readings.shed,
  );
  signals.gauge(`${prefix}_bytes`, `Bytes that the journal ${name} has on disk`, readings.bytes);
}

export interface ShipperReadings {
  shipped: () => number;
  failures: () => number;
  lagRecords: () => number;
  lagMs: () => number;
}

/** What the shipper of a journal measures. */
export function emitShipperSignals(signals: Signals, name: string, readings: ShipperReadings): void {
  const prefix = `loadstone_journal_${name}`;
  signals.counted(
    `${prefix}_shipped_total`,
    `Records of the journal ${name} shipped into Postgres`,
    readings.shipped,
  );
  signals.counted(`${prefix}_ship_failures_total`, `Attempts to ship that failed`, readings.failures);
  signals.gauge(
    `${prefix}_lag_records`,
    `Records of the journal ${name} that wait to be shipped`,
    readings.lagRecords,
  );
  signals.gauge(`${prefix}_lag_seconds`, `Age of the oldest of them`, () => readings.lagMs() / 1000, 'max');
}
