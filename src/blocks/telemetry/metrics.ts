import type { Metrics } from '#base/metrics';

export interface TraceExportCounts {
  sent: number;
  failed: number;
}

/** What the trace export measures. */
export function emitTraceExportMetrics(metrics: Metrics, counts: TraceExportCounts): void {
  const spans = metrics.counts('loadstone_trace_spans_total', {
    help: 'Spans that the OpenTelemetry receiver has taken (sent), or that were dropped because it did not (failed)',
    labels: { result: ['sent', 'failed'] },
  });
  spans.watch({ result: 'sent' }, () => counts.sent);
  spans.watch({ result: 'failed' }, () => counts.failed);
}
