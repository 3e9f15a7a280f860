import type { Metrics } from '#base/metrics';
import type { What } from './schedule-rows.ts';

/** What is measured of one schedule; undefined where there is none yet. */
export interface ScheduleMeasure {
  lastGoodMs: number | undefined;
  lastTookMs: number | undefined;
  lastBytes: number | undefined;
  failures: number;
}

/** What is told of scheduled backups: the same by every process, since it stands in the database. */
export function emitBackupMetrics(
  metrics: Metrics,
  nowMs: () => number,
  measure: (what: What) => ScheduleMeasure | undefined,
): void {
  function gauge(name: string, help: string, read: (found: ScheduleMeasure) => number | undefined): void {
    const family = metrics.gauges(`loadstone_backup_${name}`, {
      help: `${help}; base: base backups, wal: copies of the write-ahead log`,
      labels: { what: ['base', 'wal'] },
      across: 'max',
    });
    for (const what of ['base', 'wal'] as const) {
      family.watch({ what }, () => {
        const found = measure(what);
        return found && read(found);
      });
    }
  }
  gauge('age_seconds', 'Since when all is in the last good scheduled one', ({ lastGoodMs }) =>
    lastGoodMs === undefined ? undefined : (nowMs() - lastGoodMs) / 1000,
  );
  gauge('duration_seconds', 'How long the last good scheduled one took', ({ lastTookMs }) =>
    lastTookMs === undefined ? undefined : lastTookMs / 1000,
  );
  gauge('bytes', 'Bytes stored by the last good scheduled one', ({ lastBytes }) => lastBytes);
  gauge('failures', 'Scheduled runs that failed so far', ({ failures }) => failures);
}
