import type { Metrics } from '#base/metrics';
import type { Ghosts } from './ghosts/ghosts.ts';
import { POLICIES } from './policy-names.ts';
import type { StoreCounts } from './store.ts';

export const READ_RESULTS = [
  'hit',
  'miss',
  'absent',
  'refresh',
  'stale',
  'load',
  'failed',
  'unwritten',
] as const;
export type ReadResult = (typeof READ_RESULTS)[number];

export interface CacheMetricsSource {
  reads: Record<ReadResult, number>;
  store(): StoreCounts;
  loads?: { underWay(): number; counts: { begun: number; shared: number } } | undefined;
  writes?: { size(): number; counts: { written: number; lost: number } } | undefined;
  ghosts?: Ghosts | undefined;
}

const cache = { of: 'caches' };
const labels = { cache };

function emitReads(metrics: Metrics, name: string, { reads }: CacheMetricsSource): void {
  const read = metrics.counts('loadstone_cache_reads_total', {
    help: 'Reads of caches: a fresh value (hit), nothing (miss, where the origin is not read), that there is none (absent), a value while it is read anew (refresh), one past its time because its origin failed (stale), read from the origin (load), refused (failed), not written yet (unwritten)',
    labels: { cache, result: READ_RESULTS },
  });
  for (const result of READ_RESULTS) read.watch({ cache: name, result }, () => reads[result]);
}

function emitStore(metrics: Metrics, name: string, { store }: CacheMetricsSource): void {
  const gauges = [
    ['loadstone_cache_entries', 'Entries kept', 'entries'],
    ['loadstone_cache_bytes', 'What they take, where bytes are counted', 'bytes'],
  ] as const;
  for (const [metric, help, field] of gauges) {
    metrics.gauges(metric, { help, labels }).watch({ cache: name }, () => store()[field]);
  }
  const reasons = ['evicted', 'expired', 'voided', 'refused'] as const;
  const unkept = metrics.counts('loadstone_cache_unkept_total', {
    help: 'Entries that went for want of room (evicted) or because their time was over (expired), and values that were not kept because they had changed meanwhile (voided) or were too large (refused)',
    labels: { cache, reason: reasons },
  });
  for (const reason of reasons) unkept.watch({ cache: name, reason }, () => store()[reason]);
}

function emitWork(metrics: Metrics, name: string, { loads, writes }: CacheMetricsSource): void {
  if (loads) {
    metrics
      .gauges('loadstone_cache_loads', { help: 'Values that are being read from their origins', labels })
      .watch({ cache: name }, loads.underWay);
    metrics
      .counts('loadstone_cache_loads_total', { help: 'Values read from their origins', labels })
      .watch({ cache: name }, () => loads.counts.begun);
    metrics
      .counts('loadstone_cache_loads_shared_total', { help: 'Reads that waited for one under way', labels })
      .watch({ cache: name }, () => loads.counts.shared);
  }
  if (writes) {
    metrics
      .gauges('loadstone_cache_unwritten', { help: 'Values that wait to be written behind', labels })
      .watch({ cache: name }, writes.size);
    const results = ['written', 'lost'] as const;
    const written = metrics.counts('loadstone_cache_written_behind_total', {
      help: 'Values written behind, and such as were lost: refused, or not written before a stop',
      labels: { cache, result: results },
    });
    for (const result of results) written.watch({ cache: name, result }, () => writes.counts[result]);
  }
}

/** What one cache measures. @param name of the cache, in snake case */
export function emitCacheMetrics(metrics: Metrics, name: string, source: CacheMetricsSource): void {
  emitReads(metrics, name, source);
  emitStore(metrics, name, source);
  emitWork(metrics, name, source);
  const { ghosts } = source;
  if (!ghosts) return;
  const ratio = metrics.gauges('loadstone_cache_ghost_hit_ratio', {
    help: 'The ratio of hits that a cache of this policy and so many entries would have',
    labels: { cache, policy: POLICIES, entries: { of: 'sizes' } },
    across: 'max',
  });
  const total = () => READ_RESULTS.reduce((sum, result) => sum + source.reads[result], 0);
  for (const [at, { policy, entriesMax }] of ghosts.ratios(0).entries()) {
    ratio.watch({ cache: name, policy, entries: entriesMax }, () => ghosts.ratios(total())[at]?.hitRatio);
  }
}
