/**
 * The trace that a request says it belongs to. Of several `traceparent` lines node makes one, which is malformed; several
 * lines of `tracestate` are one list, in their order.
 */
import type { IncomingMessage } from 'node:http';
import type { Parent } from '#base/trace';

export function traceparentOf({ headers }: IncomingMessage): Parent | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return undefined;
  return typeof tracestate === 'string' ? { traceparent, tracestate } : traceparent;
}
