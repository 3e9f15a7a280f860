/**
 * Sends the spans of this process to an OpenTelemetry receiver, by OTLP over HTTP. The SDK is loaded only where a
 * receiver is named: it is as much code as the HTTP server.
 */
import { diag, trace } from '@opentelemetry/api';
import type { SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import { emitTraceExportMetrics, type TraceExportCounts } from './metrics.ts';
import type { TraceExportOptions } from './options.ts';

export interface TraceExportDeps extends Pick<Runtime, 'clock' | 'log'> {
  metrics: Metrics;
  /** Told apart by these in the receiver: `service.name` and the like. */
  resource: Readonly<Record<string, string>>;
}

const COMPLAINT_MS = 60_000;
const BATCH_MAX = 512;

/** The receiver's address for traces: as OTEL_EXPORTER_OTLP_ENDPOINT is read, with the path of the signal behind it. */
export function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

/** What the SDK says of itself, once a minute at most: a receiver that is away would fill the log. */
function complain({ clock, log }: Pick<TraceExportDeps, 'clock' | 'log'>): (message: string) => void {
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  return (message) => {
    if (clock.monotonicMs() < quietUntilMs) return;
    quietUntilMs = clock.monotonicMs() + COMPLAINT_MS;
    log.warn({ reason: message.slice(0, 500) }, 'spans could not be sent; they are dropped');
  };
}

/** Counts what became of the spans. */
function counted(exporter: SpanExporter, counts: TraceExportCounts, onFailure: (reason: string) => void) {
  return {
    export(spans, onResult) {
      exporter.export(spans, (result) => {
        if (result.code === 0) counts.sent += spans.length;
        else {
          counts.failed += spans.length;
          onFailure(String(result.error?.message ?? 'the receiver refused them'));
        }
        onResult(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  } satisfies SpanExporter;
}

async function loadProvider(
  { endpoint, headers, sampleRatio, queueMax, timeoutMs }: TraceExportOptions & { endpoint: string },
  resource: Readonly<Record<string, string>>,
  wrap: (exporter: SpanExporter) => SpanExporter,
): Promise<TracerProvider> {
  const [sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({ url: tracesUrl(endpoint), headers, timeoutMillis: timeoutMs });
  const processor = new sdk.BatchSpanProcessor({
    exporter: wrap(exporter),
    maxQueueSize: queueMax,
    maxExportBatchSize: Math.min(BATCH_MAX, queueMax),
    scheduledDelayMillis: 1000,
    exportTimeoutMillis: timeoutMs,
  });
  return new sdk.TracerProvider({
    resource: resourceFromAttributes({ ...resource }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [processor],
  });
}

/**
 * Starting it makes spans of this process recorded and sent; stopping sends what is left, as far as the deadline allows.
 * Does nothing without an endpoint, or where an OpenTelemetry SDK has been loaded into the process already.
 */
export function createTraceExport(options: TraceExportOptions, deps: TraceExportDeps): Lifecycle {
  const { endpoint } = options;
  const { log } = deps;
  const counts: TraceExportCounts = { sent: 0, failed: 0 };
  let provider: TracerProvider | undefined;

  async function start(url: string): Promise<void> {
    const onFailure = complain(deps);
    provider = await loadProvider({ ...options, endpoint: url }, deps.resource, (exporter) =>
      counted(exporter, counts, onFailure),
    );
    if (!trace.setGlobalTracerProvider(provider)) {
      log.warn('an OpenTelemetry SDK is loaded already: traces.endpoint is not used');
      await provider.shutdown();
      provider = undefined;
      return;
    }
    const quiet = () => {};
    diag.setLogger({ error: onFailure, warn: onFailure, info: quiet, debug: quiet, verbose: quiet });
    emitTraceExportMetrics(deps.metrics, counts);
  }

  return createLifecycle('trace export', {
    async start() {
      if (endpoint !== undefined) await start(endpoint);
    },
    async stop(deadline) {
      if (!provider) return;
      trace.disable();
      diag.disable();
      await withSignal(provider.shutdown(), deadline).catch((error: unknown) => {
        log.warn({ err: error }, 'the last spans were perhaps not sent');
      });
    },
  });
}
