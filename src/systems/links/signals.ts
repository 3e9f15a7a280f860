import type { Signals } from '#base/signals';
import type { Redirects } from './redirect.ts';

/**
 * What the links system measures. The redirect keeps plain numbers; they are read when scraped.
 * @returns to be told of links that the sweep has found
 */
export function emitLinksSignals(signals: Signals, counts: Redirects['counts']): (count: number) => void {
  signals.counted('loadstone_links_redirect_hits_total', 'Redirects answered from memory', () => counts.hits);
  signals.counted(
    'loadstone_links_redirect_misses_total',
    'Redirects that asked the database',
    () => counts.misses,
  );
  signals.counted(
    'loadstone_links_redirect_unknown_total',
    'Requests for a code that no link has',
    () => counts.unknown,
  );
  signals.counted(
    'loadstone_links_redirect_gone_total',
    'Requests for a deleted or expired link',
    () => counts.gone,
  );
  signals.counted(
    'loadstone_links_redirect_stale_total',
    'Redirects answered from memory past their time, without the database',
    () => counts.stale,
  );
  const swept = signals.counter('loadstone_links_swept_total', {
    help: 'Links past their expiry that no job had told of, told of by the sweep',
  });
  return (count) => swept.inc(count);
}
