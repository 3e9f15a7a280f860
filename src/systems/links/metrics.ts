import type { Metrics } from '#base/metrics';
import type { Redirects } from './redirect/redirect.ts';

/**
 * What the links system measures. The redirect keeps plain numbers; they are read when scraped.
 * @returns to be told of links that the sweep has found
 */
export function emitLinksMetrics(metrics: Metrics, counts: Redirects['counts']): (count: number) => void {
  const results = ['hit', 'miss', 'unknown', 'gone', 'stale'] as const;
  const redirects = metrics.counts('loadstone_links_redirects_total', {
    help: 'Requests for a short link: answered from memory (hit), by the database (miss), from memory past its time because the database did not answer (stale); no link has the code (unknown), it is deleted or expired (gone)',
    labels: { result: results },
  });
  for (const result of results) redirects.watch({ result }, () => counts[result]);
  const swept = metrics.counter('loadstone_links_swept_total', {
    help: 'Links past their expiry that no job had told of, told of by the sweep',
  });
  return (count) => swept.inc({}, count);
}
