import type { Metrics } from '#base/metrics';
import type { Consistency } from './port.ts';
import type { Pool } from './primary/pool.ts';
import type { ReplicaHealth } from './replicas/replica-health.ts';

/** What the database block measures. @param pool the one of now: it changes with the primary */
export function emitDatabaseMetrics(metrics: Metrics, role: string, pool: () => Pool | undefined): void {
  const labels = { role: { of: 'roles of connections' } };
  metrics
    .gauges('loadstone_database_connections_in_use', { help: 'Connections now in use', labels })
    .watch({ role }, () => pool()?.inUse() ?? 0);
  metrics
    .gauges('loadstone_database_waiting', { help: 'Requests waiting for a connection', labels })
    .watch({ role }, () => pool()?.waiting() ?? 0);
}

/**
 * Why a read went where it did. `asked`: as its consistency says, a strong one to the primary and any other to a replica.
 * To the primary all the same: `none_usable`, no replica is healthy and within the bound; `behind`, none had replayed what
 * the session has written; `failed`, the replica did.
 */
export type ReadReason = 'asked' | 'none_usable' | 'behind' | 'failed';

export interface ReplicaMetrics {
  read(consistency: Consistency, server: 'primary' | 'replica', reason: ReadReason): void;
  ejected(): void;
  /** The replicas as they are now, in the order in which they are named. */
  show(replicas: readonly (ReplicaHealth | undefined)[]): void;
}

/** What is measured where there are replicas: at most `countMax` of them. */
export function createReplicaMetrics(
  metrics: Metrics,
  countMax: number,
  nowMs: () => number,
): ReplicaMetrics {
  let shown: readonly (ReplicaHealth | undefined)[] = [];
  const reads = metrics.counter('loadstone_database_reads_total', {
    help: 'Reads by the consistency they asked for, where they went, and why',
    labels: {
      consistency: ['strong', 'session', 'eventual'],
      server: ['primary', 'replica'],
      reason: ['asked', 'none_usable', 'behind', 'failed'],
    },
  });
  const ejections = metrics.counter('loadstone_database_replica_ejections_total', {
    help: 'How often a replica was given no more reads because it failed or was none',
  });
  const seenOf = (at: number) => {
    const health = shown[at];
    return health && 'seen' in health ? health.seen : undefined;
  };
  const healthy = () => shown.filter((health) => health?.kind === 'healthy').length;
  metrics.gauge('loadstone_database_replicas_healthy', 'Replicas that get reads', healthy, 'max');
  const gauges = (what: string, help: string) =>
    metrics.gauges(`loadstone_database_replica_${what}`, {
      help,
      labels: { replica: { of: 'replicas' } },
      across: 'max',
    });
  const seconds = gauges('lag_seconds', 'How old the data of a replica is at most');
  const bytes = gauges('lag_bytes', 'How much of the log a replica is yet to replay');
  for (let at = 0; at < countMax; at++) {
    const replica = at + 1;
    seconds.watch({ replica }, () => {
      const asOfMs = seenOf(at)?.asOfMs;
      return asOfMs === undefined ? undefined : (nowMs() - asOfMs) / 1000;
    });
    bytes.watch({ replica }, () => seenOf(at)?.lagBytes);
  }
  return {
    read: (consistency, server, reason) => reads.inc({ consistency, server, reason }),
    ejected: () => ejections.inc({}),
    show(replicas) {
      shown = replicas;
    },
  };
}
