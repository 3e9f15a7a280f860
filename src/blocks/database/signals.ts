import type { Signals } from '#base/signals';
import type { Pool } from './pool.ts';

/** What the database block measures. */
export function emitDatabaseSignals(signals: Signals, role: string, pool: Pool): void {
  signals.gauge(
    `loadstone_database_${role}_connections_in_use`,
    `Connections of the ${role} role now in use`,
    pool.inUse,
  );
  signals.gauge(
    `loadstone_database_${role}_waiting`,
    `Requests waiting for a connection of the ${role} role`,
    pool.waiting,
  );
}
