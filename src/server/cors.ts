/**
 * Calls from pages of other origins (the CORS protocol of the Fetch standard), for `/v1` only, and only for the origins
 * that `http.cors.origins` names. A key is sent in `Authorization`, which pages set themselves: without
 * `Access-Control-Allow-Credentials`, browsers keep cookies out of it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

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
  'ETag',
  'Idempotency-Replayed',
  'Loadstone-Session',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'traceparent',
  'tracestate',
  'WWW-Authenticate',
].join(', ');

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';

/** Browsers ask again after at most so long, whatever is said. */
const PREFLIGHT_MAX_AGE_S = 7200;

function isApi(url: string): boolean {
  return url === '/v1' || url.startsWith('/v1/');
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

function answerPreflight(reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .headers({
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': String(PREFLIGHT_MAX_AGE_S),
      'cache-control': 'no-store',
    })
    .send();
}

/** Add it before what refuses requests: a page can read only refusals that say it may, and a preflight has no key. */
export function addCors(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowsAny = origins.includes('*');
  app.addHook('onRequest', async (request, reply) => {
    if (!isApi(request.url)) return undefined;
    // Caches keep answers for other origins apart, and those without one.
    reply.header('vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !(allowsAny || origins.includes(origin))) return undefined;
    reply.header('access-control-allow-origin', allowsAny ? '*' : origin);
    if (isPreflight(request)) return answerPreflight(reply);
    reply.header('access-control-expose-headers', EXPOSED_HEADERS);
    return undefined;
  });
}
