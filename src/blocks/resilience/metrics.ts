import type { Metrics } from '#base/metrics';

export interface BreakerCounts {
  success: number;
  failure: number;
  ignored: number;
  refused: number;
  opened: number;
}

export interface BulkheadCounts {
  ran: number;
  refused: number;
  /** Whose signal aborted while they waited. */
  left: number;
}

const STATES = ['closed', 'open', 'half_open'] as const;
const CALLS = ['success', 'failure', 'ignored', 'refused'] as const;
const RESULTS = ['ran', 'refused', 'left'] as const;

/** What one breaker measures. @param name what it guards */
export function emitBreakerMetrics(
  metrics: Metrics,
  name: string,
  { counts, state }: { counts: BreakerCounts; state: () => (typeof STATES)[number] },
): void {
  const breaker = { of: 'breakers' };
  const states = metrics.gauges('loadstone_breaker_state', {
    help: 'In how many processes a breaker is in a state',
    labels: { breaker, state: STATES },
  });
  for (const each of STATES) states.watch({ breaker: name, state: each }, () => (state() === each ? 1 : 0));
  const calls = metrics.counts('loadstone_breaker_calls_total', {
    help: 'Calls, by how they ended; refused are those that an open breaker did not let through',
    labels: { breaker, result: CALLS },
  });
  for (const result of CALLS) calls.watch({ breaker: name, result }, () => counts[result]);
  metrics
    .counts('loadstone_breaker_opened_total', { help: 'How often a breaker has opened', labels: { breaker } })
    .watch({ breaker: name }, () => counts.opened);
}

/** What one bulkhead measures. @param name what it guards */
export function emitBulkheadMetrics(
  metrics: Metrics,
  name: string,
  { counts, inFlight, waiting }: { counts: BulkheadCounts; inFlight: () => number; waiting: () => number },
): void {
  const bulkhead = { of: 'bulkheads' };
  const labels = { bulkhead };
  metrics
    .gauges('loadstone_bulkhead_in_flight', { help: 'Calls under way', labels })
    .watch({ bulkhead: name }, inFlight);
  metrics
    .gauges('loadstone_bulkhead_waiting', { help: 'Calls that wait for a place', labels })
    .watch({ bulkhead: name }, waiting);
  const calls = metrics.counts('loadstone_bulkhead_calls_total', {
    help: 'Calls that had a place, were refused one, or left before they had one',
    labels: { bulkhead, result: RESULTS },
  });
  for (const result of RESULTS) calls.watch({ bulkhead: name, result }, () => counts[result]);
}
