/**
 * Trace context (W3C Trace Context, level 1): accepted from the caller, else begun here; every answer carries it, and so do
 * the events and jobs that a request leaves behind.
 * Where an OpenTelemetry SDK is loaded into the process, its spans are used; without one, ids are made here.
 */

import {
  context,
  isValidSpanId,
  isValidTraceId,
  ProxyTracerProvider,
  type Span,
  SpanKind,
  type SpanOptions,
  trace,
} from '@opentelemetry/api';
import type { Random } from './random.ts';

export interface Trace {
  traceId: string;
  spanId: string;
  traceparent: string;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

interface Parent {
  traceId: string;
  spanId: string;
  flags: string;
}

function parseTraceparent(header: string | undefined): Parent | undefined {
  if (header === undefined) return undefined;
  const [, traceId, spanId, flags] = TRACEPARENT.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return isValidTraceId(traceId) && isValidSpanId(spanId) ? { traceId, spanId, flags } : undefined;
}

/** `server` answers a request, `producer` leaves events or jobs behind, `consumer` handles one, `internal` is anything else. */
export type StepKind = 'server' | 'producer' | 'consumer' | 'internal';

const SPAN_KINDS = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

function spanOptions(kind: StepKind, beganMs: number | undefined): SpanOptions {
  return { kind: SPAN_KINDS[kind], ...(beganMs === undefined ? {} : { startTime: beganMs }) };
}

const NO_PROVIDER = new ProxyTracerProvider().getDelegate();

export interface Tracer {
  /** Whether an SDK is loaded: without one it is in vain to look for what could be recorded. */
  records(): boolean;
  /** A `traceparent` for a next step: the trace of `parent` continued, or a new one. */
  traceparent(parent: string | undefined): string;
  /**
   * A step of a trace, and a span for it that records only where an SDK is loaded: end it with the step.
   * @param parent the `traceparent` of what has caused it; one that is malformed counts as none
   * @param beganMs when it began, on the wall clock; by default now
   */
  begin(
    parent: string | undefined,
    name: string,
    kind: StepKind,
    beganMs?: number,
  ): { trace: Trace; span: Span };
}

const LOW_DIGITS = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, '0'));

export function createTracer(random: Random): Tracer {
  const tracePrefix = random.bytes(12).toString('hex');
  const spanPrefix = random.bytes(4).toString('hex');
  let count = 0;
  let high = '00000';

  /** Eight hexadecimal digits, counting. The low three come from a table: formatting them costs a hot path more. */
  function nextSuffix(): string {
    count = count === 0xffff_ffff ? 1 : count + 1;
    const low = count & 0xfff;
    if (low === 0 || count === 1) high = (count >>> 12).toString(16).padStart(5, '0');
    return high + LOW_DIGITS[low];
  }

  function format(traceId: string, spanId: string, flags: string): Trace {
    return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
  }

  /** Unique by counting under random prefixes: drawing 24 random bytes for each request is measurably dearer. */
  function mint(parent: Parent | undefined): Trace {
    const suffix = nextSuffix();
    return format(parent?.traceId ?? tracePrefix + suffix, spanPrefix + suffix, parent?.flags ?? '00');
  }

  return {
    records() {
      const provider = trace.getTracerProvider();
      return !(provider instanceof ProxyTracerProvider) || provider.getDelegate() !== NO_PROVIDER;
    },
    traceparent: (parent) => mint(parseTraceparent(parent)).traceparent,
    begin(traceparent, name, kind, beganMs) {
      const parent = parseTraceparent(traceparent);
      const around = parent
        ? trace.setSpanContext(context.active(), {
            traceId: parent.traceId,
            spanId: parent.spanId,
            traceFlags: Number.parseInt(parent.flags, 16),
            isRemote: true,
          })
        : context.active();
      const span = trace.getTracer('loadstone').startSpan(name, spanOptions(kind, beganMs), around);
      if (!span.isRecording()) return { trace: mint(parent), span };
      const { traceId, spanId, traceFlags } = span.spanContext();
      return { trace: format(traceId, spanId, traceFlags.toString(16).padStart(2, '0')), span };
    },
  };
}
