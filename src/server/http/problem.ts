/**
 * Problem documents (RFC 9457): the one shape of every refusal.
 */
import type { ServerResponse } from 'node:http';
import { type FieldProblem, isLoadstoneError, type LoadstoneError } from '#base/errors';
import { type Trace, traceHeaders } from '#base/trace';
import { serverErrors } from '../errors.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  code: string;
  traceId: string;
  errors?: readonly FieldProblem[];
}

/** Anything thrown as a coded error; what has no code is a defect, and tells a client nothing of its inside. */
export function toLoadstoneError(error: unknown): LoadstoneError {
  return isLoadstoneError(error) ? error : serverErrors.internal({ cause: error });
}

export function problemOf(error: LoadstoneError, traceId: string): Problem {
  const isInternal = error.status >= 500 && error.status !== 503 && error.status !== 504;
  return {
    type: `/docs/errors#${error.code}`,
    title: error.title,
    status: error.status,
    ...(isInternal || error.message === error.title ? {} : { detail: error.message }),
    code: error.code,
    traceId,
    ...(error.errors ? { errors: error.errors } : {}),
  };
}

export function problemHeaders(error: LoadstoneError): Record<string, string> {
  return {
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    ...(error.retryAfterS === undefined ? {} : { 'retry-after': String(error.retryAfterS) }),
    ...error.headers,
  };
}

/**
 * Writes a problem to a bare response.
 * @param answer headers besides its own, and what stands in the place of its document
 */
export function writeProblem(
  response: ServerResponse,
  error: LoadstoneError,
  trace: Omit<Trace, 'spanId'>,
  answer: { headers?: Readonly<Record<string, string>>; body?: string } = {},
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = answer.body ?? JSON.stringify(problemOf(error, trace.traceId));
  response.writeHead(error.status, {
    ...problemHeaders(error),
    ...answer.headers,
    'content-length': Buffer.byteLength(body),
    ...traceHeaders(trace),
  });
  response.end(body);
}

/** A whole HTTP/1.1 answer for a socket whose request could not be parsed. */
export function rawProblem(error: LoadstoneError, trace: { traceId: string; traceparent: string }): string {
  const body = JSON.stringify(problemOf(error, trace.traceId));
  const headers = {
    ...problemHeaders(error),
    'content-length': String(Buffer.byteLength(body)),
    traceparent: trace.traceparent,
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${error.title}\r\n${lines.join('')}\r\n${body}`;
}
