import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { urlOption } from '#base/options/url';

export const xminWatchOptions = optionsSchema(
  {
    everyMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 15_000,
      description:
        'Time between two looks at what holds back vacuum; each costs Postgres about half a millisecond.',
    }),
    warnAgeMs: Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      default: 60_000,
      description: 'How long a snapshot or transaction may last before it is warned of.',
    }),
    warnAgeTransactions: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 1_000_000,
      description:
        'How many transactions may have begun since a snapshot before it is warned of, however short it has lasted.',
    }),
    repeatMsMin: Type.Integer({
      minimum: 1000,
      maximum: 86_400_000,
      default: 60_000,
      description:
        'Least time between two log lines while vacuum is held back; doubles with each line about the same owner.',
    }),
    repeatMsMax: Type.Integer({
      minimum: 1000,
      maximum: 86_400_000,
      default: 3_600_000,
      description: 'The time between two such lines grows up to this.',
    }),
    queryLengthMax: Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 200,
      description:
        'Characters of a session’s query that are told with it. They can hold literals that another program has written into its SQL; 0 leaves the text out.',
    }),
  },
  'What holds back vacuum, and when to warn of it.',
);

export type XminWatchOptions = Static<typeof xminWatchOptions>;

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
