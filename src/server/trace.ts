/**
 * Trace context (W3C Trace Context, level 1): accepted from the caller, else begun here; every answer carries it.
 * Where an OpenTelemetry SDK is loaded into the process, its spans are used; without one, ids are made here.
 */

import type { IncomingMessage } from 'node:http';
import { context, isValidSpanId, isValidTraceId, type Span, SpanKind, trace } from '@opentelemetry/api';
import type { Random } from '#base/random';

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
  const [, traceId, spanId, flags] = TRACEPARENT.exec(header ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return isValidTraceId(traceId) && isValidSpanId(spanId) ? { traceId, spanId, flags } : undefined;
}

/** Reads one header without building the object of all of them, which costs a hot path more than the redirect. */
function rawHeader(request: IncomingMessage, name: string): string | undefined {
  const raw = request.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const key = raw[i] as string;
    if (key.length === name.length && key.toLowerCase() === name) return raw[i + 1];
  }
  return undefined;
}

export interface Tracer {
  /** The `traceparent` to answer a request with: the caller's trace continued, or a new one. */
  traceparent(request: IncomingMessage): string;
  /** The trace of a request, and a span for it that records only where an SDK is loaded: end it with the answer. */
  begin(request: IncomingMessage): { trace: Trace; span: Span };
}

export function createTracer(random: Random): Tracer {
  const tracePrefix = random.bytes(12).toString('hex');
  const spanPrefix = random.bytes(4).toString('hex');
  let count = 0;

  function format(traceId: string, spanId: string, flags: string): Trace {
    return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
  }

  /** Unique by counting under random prefixes: drawing 24 random bytes for each request is measurably dearer. */
  function mint(parent: Parent | undefined): Trace {
    count = count === 0xffff_ffff ? 1 : count + 1;
    const suffix = count.toString(16).padStart(8, '0');
    return format(parent?.traceId ?? tracePrefix + suffix, spanPrefix + suffix, parent?.flags ?? '00');
  }

  return {
    traceparent: (request) => mint(parseTraceparent(rawHeader(request, 'traceparent'))).traceparent,
    begin(request) {
      const parent = parseTraceparent(rawHeader(request, 'traceparent'));
      const around = parent
        ? trace.setSpanContext(context.active(), {
            traceId: parent.traceId,
            spanId: parent.spanId,
            traceFlags: Number.parseInt(parent.flags, 16),
            isRemote: true,
          })
        : context.active();
      const span = trace
        .getTracer('loadstone')
        .startSpan(request.method ?? '', { kind: SpanKind.SERVER }, around);
      if (!span.isRecording()) return { trace: mint(parent), span };
      const { traceId, spanId, traceFlags } = span.spanContext();
      return { trace: format(traceId, spanId, traceFlags.toString(16).padStart(2, '0')), span };
    },
  };
}
