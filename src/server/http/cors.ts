/**
 * Calls from pages of other origins (the CORS protocol of the Fetch standard), for the API only, and only for the origins
 * that `http.cors.origins` names. A key is sent in `Authorization`, which pages set themselves: without
 * `Access-Control-Allow-Credentials`, browsers keep cookies out of it.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isVersioned } from './own-words.ts';

/** What a page may send beside what every page may. */
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Loadstone-Session',
  'traceparent',
  'tracestate',
].join(', ');

/** What a page may read of an answer beside what every page may. */
const EXPOSED_HEADERS = [
  'Allow',
  'Deprecation',
  'ETag',
  'Idempotency-Replayed',
  'Link',
  'Loadstone-Session',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Sunset',
  'traceparent',
  'tracestate',
  'WWW-Authenticate',
].join(', ');

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';

/** Browsers ask again after at most so long, whatever is said. */
const PREFLIGHT_MAX_AGE_S = 7200;

/** The headers of an answer to `request` by which a page of its origin may read it. */
export type CorsHeaders = (
  request: Pick<IncomingMessage, 'url' | 'headers'>,
) => Readonly<Record<string, string>>;

const NONE = {};

export function createCorsHeaders(origins: readonly string[]): CorsHeaders {
  if (origins.length === 0) return () => NONE;
  const allowsAny = origins.includes('*');
  // Caches keep answers for other origins apart, and those without one.
  const varies = { vary: 'Origin' };
  return ({ url = '', headers: { origin } }) => {
    if (!isVersioned(url)) return NONE;
    if (origin === undefined || !(allowsAny || origins.includes(origin))) return varies;
    return {
      ...varies,
      'access-control-allow-origin': allowsAny ? '*' : origin,
      'access-control-expose-headers': EXPOSED_HEADERS,
    };
  };
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

function answerPreflight(reply: FastifyReply, allowed: string): FastifyReply {
  return reply
    .code(204)
    .headers({
      vary: 'Origin',
      'access-control-allow-origin': allowed,
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': String(PREFLIGHT_MAX_AGE_S),
      'cache-control': 'no-store',
    })
    .send();
}

/** Add it before what refuses requests: a page can read only refusals that say it may, and a preflight has no key. */
export function addCors(app: FastifyInstance, headersOf: CorsHeaders): void {
  app.addHook('onRequest', (request, reply, done) => {
    const headers = headersOf(request.raw);
    const allowed = headers['access-control-allow-origin'];
    if (allowed !== undefined && isPreflight(request)) {
      answerPreflight(reply, allowed);
      return;
    }
    reply.headers(headers);
    done();
  });
}
