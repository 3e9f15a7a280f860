import type { Signals } from '#base/signals';
import type { What } from './schedule-rows.ts';

/** What is measured of one schedule; undefined where there is none yet. */
export interface ScheduleMeasure {
  lastGoodMs: number | undefined;
  lastTookMs: number | undefined;
  lastBytes: number | undefined;
  failures: number;
}

const NAMES: Record<What, string> = { base: 'base backup', wal: 'copy of the write-ahead log' };

/** What is told of scheduled backups: the same by every process, since it stands in the database. */
export function emitBackupSignals(
  signals: Signals,
  nowMs: () => number,
  measure: (what: What) => ScheduleMeasure | undefined,
): void {
  for (const what of ['base', 'wal'] as const) {
    const gauge = (name: string, help: string, read: (found: ScheduleMeasure) => number | undefined) =>
      signals.gauge(
        `loadstone_backup_${what}_${name}`,
        `${help} scheduled ${NAMES[what]}`,
        () => {
          const found = measure(what);
          return found && read(found);
        },
        'max',
      );
    gauge('age_seconds', 'Since when all is in the last good', ({ lastGoodMs }) =>
      lastGoodMs === undefined ? undefined : (nowMs() - lastGoodMs) / 1000,
    );
    gauge('duration_seconds', 'How long it took, of the last good', ({ lastTookMs }) =>
      lastTookMs === undefined ? undefined : lastTookMs / 1000,
    );
    gauge('bytes', 'Bytes stored by the last good', ({ lastBytes }) => lastBytes);
    gauge('failures', 'Runs that failed so far, of the', ({ failures }) => failures);
  }
}
