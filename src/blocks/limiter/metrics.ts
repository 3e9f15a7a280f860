import type { Metrics } from '#base/metrics';
import type { Gcra } from './gcra.ts';

/** What a limiter has decided so far. */
export interface LimiterCounts {
  allowed: number;
  refused: number;
}

/** What one limiter measures. @param name of its policy, in snake case */
export function emitLimiterMetrics(
  metrics: Metrics,
  name: string,
  { counts, gcra }: { counts: LimiterCounts; gcra: Pick<Gcra, 'size' | 'forgiven'> },
): void {
  const limit = { of: 'limits' };
  const decisions = metrics.counts('loadstone_limiter_decisions_total', {
    help: 'What limits have decided',
    labels: { limit, result: ['allowed', 'refused'] },
  });
  decisions.watch({ limit: name, result: 'allowed' }, () => counts.allowed);
  decisions.watch({ limit: name, result: 'refused' }, () => counts.refused);
  const labels = { limit };
  metrics
    .gauges('loadstone_limiter_keys', { help: 'Keys that have used of their budget', labels })
    .watch({ limit: name }, gcra.size);
  metrics
    .counts('loadstone_limiter_forgiven_total', {
      help: 'Keys that got a whole budget because as many as the limit remembers had used of theirs',
      labels,
    })
    .watch({ limit: name }, gcra.forgiven);
}
