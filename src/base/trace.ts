/**
 * Trace context (W3C Trace Context, level 1): accepted from the caller, else begun here; every answer carries it, and the
 * events and jobs that a request leaves behind carry its `traceparent`. The caller's `tracestate` is passed on with answers,
 * with requests that a route makes, and into spans. Events and jobs do not carry it: it may have 512 characters, which each of
 * their rows would hold and write again at every move, and what tracing systems need to join a trace is in `traceparent`.
 *
 * Ids are random, so that two of them do not tell how many were made between.
 * Where an OpenTelemetry SDK is loaded into the process, its spans are used; without one, ids are made here.
 */

import {
  context,
  createTraceState,
  isValidSpanId,
  isValidTraceId,
  ProxyTracerProvider,
  type Span,
  SpanKind,
  type SpanOptions,
  trace,
} from '@opentelemetry/api';
import type { Random } from './random.ts';
import { parseTracestate } from './trace/tracestate.ts';

export interface Trace {
  traceId: string;
  spanId: string;
  traceparent: string;
  /** What came with the parent, to be passed on. */
  tracestate: string | undefined;
}

/** The trace context as a request has it; a string is a `traceparent` alone. What is malformed counts as none. */
export type Parent = string | { traceparent: string; tracestate: string };

/** As headers: of an answer, or of a request to elsewhere. */
export function traceHeaders({
  traceparent,
  tracestate,
}: Pick<Trace, 'traceparent' | 'tracestate'>): Record<string, string> {
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

/** A version that is not known yet may have more behind the flags (3.2.4); version 00 may not. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** The only flag that level 1 knows is `sampled`; the others are not to be passed on (3.2.2.5). */
const KNOWN_FLAGS = 0x01;

interface CallerContext {
  traceId: string;
  spanId: string;
  flags: string;
  tracestate: string | undefined;
}

function parseParent(parent: Parent | undefined): CallerContext | undefined {
  if (parent === undefined) return undefined;
  const header = typeof parent === 'string' ? parent : parent.traceparent;
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined)
    return undefined;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (!isValidTraceId(traceId) || !isValidSpanId(spanId)) return undefined;
  const known = Number.parseInt(flags, 16) & KNOWN_FLAGS;
  const tracestate = typeof parent === 'string' ? undefined : parseTracestate(parent.tracestate);
  return { traceId, spanId, flags: known === 0 ? '00' : '01', tracestate };
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
/** Records nothing, and is the same for every step. */
const NO_SPAN = NO_PROVIDER.getTracer('loadstone').startSpan('');

export interface Tracer {
  /** Whether an SDK is loaded: without one it is in vain to look for what could be recorded. */
  records(): boolean;
  /** A `traceparent` for a next step: the trace of `parent` continued, or a new one. */
  traceparent(parent: Parent | undefined): string;
  /** What is to be passed on with it. */
  tracestate(parent: Parent | undefined): string | undefined;
  /**
   * A step of a trace, and a span for it that records only where an SDK is loaded: end it with the step.
   * @param parent of what has caused it
   * @param beganMs when it began, on the wall clock; by default now
   */
  begin(
    parent: Parent | undefined,
    name: string,
    kind: StepKind,
    beganMs?: number,
  ): { trace: Trace; span: Span };
}

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
/** Random bytes drawn at once: drawing 24 for each request takes nine times as long as making all of a `traceparent` so. */
const BATCH_BYTES = 4096;
const ZEROS = /^0+$/;

/** Gives random hexadecimal digits, never all zero. */
function createIdSource(random: Random): (bytes: number) => string {
  let batch: Buffer = Buffer.alloc(0);
  let at = 0;
  return function next(bytes): string {
    if (at + bytes > batch.length) {
      batch = random.bytes(BATCH_BYTES);
      at = 0;
    }
    const id = batch.toString('hex', at, at + bytes);
    at += bytes;
    // All zeros are no id: one in 2^64.
    return ZEROS.test(id) ? next(bytes) : id;
  };
}

function contextOf(caller: CallerContext | undefined) {
  if (!caller) return context.active();
  const { traceId, spanId, flags, tracestate } = caller;
  return trace.setSpanContext(context.active(), {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  });
}

/** @param random what ids are made of */
export function createTracer(random: Random): Tracer {
  const nextId = createIdSource(random);

  function format(traceId: string, spanId: string, flags: string, tracestate: string | undefined): Trace {
    return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate };
  }

  function mint(caller: CallerContext | undefined): Trace {
    const traceId = caller?.traceId ?? nextId(TRACE_BYTES);
    return format(traceId, nextId(SPAN_BYTES), caller?.flags ?? '00', caller?.tracestate);
  }

  function records(): boolean {
    const provider = trace.getTracerProvider();
    return !(provider instanceof ProxyTracerProvider) || provider.getDelegate() !== NO_PROVIDER;
  }

  return {
    records,
    traceparent: (parent) => mint(parseParent(parent)).traceparent,
    tracestate: (parent) =>
      parent === undefined || typeof parent === 'string' ? undefined : parseParent(parent)?.tracestate,
    begin(parent, name, kind, beganMs) {
      const caller = parseParent(parent);
      if (!records()) return { trace: mint(caller), span: NO_SPAN };
      const options = spanOptions(kind, beganMs);
      const span = trace.getTracer('loadstone').startSpan(name, options, contextOf(caller));
      if (!span.isRecording()) return { trace: mint(caller), span };
      const { traceId, spanId, traceFlags } = span.spanContext();
      const flags = traceFlags.toString(16).padStart(2, '0');
      return { trace: format(traceId, spanId, flags, caller?.tracestate), span };
    },
  };
}
