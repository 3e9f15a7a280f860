/**
 * The trace that a request says it belongs to.
 */
import type { IncomingMessage } from 'node:http';

export function traceparentOf({ headers }: IncomingMessage): string | undefined {
  return typeof headers.traceparent === 'string' ? headers.traceparent : undefined;
}
