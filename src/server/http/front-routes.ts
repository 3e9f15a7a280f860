/**
 * What people, browsers and crawlers ask a host for without having been told to: `/`, `/favicon.ico`, `/robots.txt`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ICON } from '../pages/icon.ts';
import type { Pages, PagesDeps } from '../pages/pages.ts';
import { VERSION } from '../version.ts';
import { prefersHtml } from './accept.ts';

/**
 * What systems answer before the framework, such as redirects, is open to crawlers: previews obey this file too, and a
 * redirect gives an index nothing of ours.
 * What needs a key, and what measures, is nothing to them.
 */
const ROBOTS = `User-agent: *
Disallow: /v1/
Disallow: /v2/
Disallow: /metrics
Disallow: /health
Disallow: /livez
Disallow: /readyz
`;

const WEEK_S = 604_800;

function front(
  app: FastifyInstance,
  url: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => unknown,
): void {
  app.route({
    method: 'GET',
    url,
    schema: { hide: true } as object,
    config: { public: true },
    handler: async (request, reply) => handler(request, reply),
  });
}

export function addFrontRoutes(app: FastifyInstance, pages: Pages, { systems }: PagesDeps): void {
  const about = JSON.stringify({
    name: 'loadstone',
    version: VERSION,
    systems: systems.map(({ name, summary }) => ({ name, summary })),
    reference: '/docs',
    openapi: '/openapi.json',
  });
  front(app, '/', (request, reply) => {
    const { headers, body } = pages.home();
    if (prefersHtml(request.headers.accept)) return reply.headers(headers).send(body);
    return reply.header('vary', 'Accept').type('application/json; charset=utf-8').send(about);
  });
  front(app, '/favicon.ico', (_request, reply) =>
    reply
      .type('image/vnd.microsoft.icon')
      .header('cache-control', `public, max-age=${WEEK_S}`)
      .header('x-content-type-options', 'nosniff')
      .send(ICON),
  );
  front(app, '/robots.txt', (_request, reply) =>
    reply.type('text/plain; charset=utf-8').header('cache-control', 'public, max-age=86400').send(ROBOTS),
  );
}
