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

function parseTraceparent(header: string): Parent | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return isValidTraceId(traceId) && isValidSpanId(spanId) ? { traceId, spanId, flags } : undefined;
}

function parentOf(request: IncomingMessage): Parent | undefined {
  const header = request.headers.traceparent;
  return typeof header === 'string' ? parseTraceparent(header) : undefined;
}

export interface Tracer {
  /** The `traceparent` to answer a request with: the caller's trace continued, or a new one. */
  traceparent(request: IncomingMessage): string;
  /** The trace of a request, and a span for it that records only where an SDK is loaded: end it with the answer. */
  begin(request: IncomingMessage): { trace: Trace; span: Span };
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
    traceparent: (request) => mint(parentOf(request)).traceparent,
    begin(request) {
      const parent = parentOf(request);
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
