import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { urlOption } from '#base/options/url';

export const traceExportOptions = optionsSchema(
  {
    endpoint: Type.Optional(
      urlOption('base', {
        description:
          'An OpenTelemetry receiver (OTLP over HTTP, JSON) that spans are sent to; `/v1/traces` is put behind it. Without one no spans are recorded, and the SDK is not loaded. OTEL_EXPORTER_OTLP_ENDPOINT is read too.',
      }),
    ),
    headers: Type.Record(Type.String(), Type.String({ secret: true }), {
      default: {},
      description: 'Headers to send with spans, such as the receiver’s key.',
    }),
    sampleRatio: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 1,
      description:
        'Share of the traces begun here that are recorded. A trace that comes with a request is recorded if its caller records it.',
    }),
    queueMax: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 4096,
      description: 'Spans that may wait to be sent; more are dropped.',
    }),
    timeoutMs: Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 5000,
      description: 'How long the receiver may take for one batch.',
    }),
  },
  'Traces for an OpenTelemetry receiver.',
);

export type TraceExportOptions = Static<typeof traceExportOptions>;
