/**
 * The server's own routes: health and metrics, which every process has; the OpenAPI document and the reference.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Health } from '#base/lifecycle';
import { Registry } from '#base/metrics/prometheus';
import type { XminWatch } from '#blocks/doctor';
import type { Identity } from '#blocks/identity';
import { drainSeconds, type Queue } from '#blocks/queue';
import { serverErrors } from '../errors.ts';
import { fixedAnswer } from '../http/fixed-answers.ts';
import type { OpenApi } from '../reference/openapi.ts';
import { REFERENCE_HEADERS, renderErrorReference, renderReference } from '../reference/reference.ts';

export interface OwnDeps {
  /** All metrics, as text. */
  metricsText: () => Promise<string>;
  /** Who gets them without a key: callers on this machine, or nobody. */
  metricsAccess: 'loopback' | 'key';
  identity: Identity;
  health: () => Health;
  measures: Queue['measures'];
  /** What holds back vacuum. */
  xminLook: XminWatch['look'];
}

const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip'];

/** Whether the caller is on this machine. What came through a proxy is not, wherever the proxy runs. */
function isLoopback(request: FastifyRequest): boolean {
  // A connection that has ended has no address.
  if (request.raw.socket.remoteAddress === undefined) return false;
  const ip = request.ip.replace(/^::ffff:/, '');
  const local = ip === '::1' || ip.startsWith('127.');
  const proxied = FORWARDED.some((name) => request.headers[name] !== undefined);
  return local && !proxied;
}

function own(
  app: FastifyInstance,
  url: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => unknown,
) {
  app.route({
    method: 'GET',
    url,
    config: { public: true },
    handler: async (request, reply) => handler(request, reply),
  });
}

/** For whoever scales the workers and looks after Postgres; `drainSeconds` is null where no worker ends any job. */
function describe({ measures, xminLook }: OwnDeps): object {
  const queues = measures().map((measure) => {
    const { queue, waiting, scheduled, running, dead } = measure;
    const seconds = drainSeconds(measure);
    const inS = Number.isFinite(seconds) ? seconds : null;
    return { queue, waiting, scheduled, running, dead, drainSeconds: inS };
  });
  const warnings = xminLook().findings.filter(({ severity }) => severity !== 'ok');
  return { queues, warnings };
}

export function addOwnRoutes(app: FastifyInstance, deps: OwnDeps): void {
  async function ready(request: FastifyRequest, reply: FastifyReply) {
    reply.header('cache-control', 'no-store');
    const health = deps.health();
    const { authorization } = request.headers;
    const isTrusted = await deps.identity.recognizes(authorization, { address: request.ip });
    if (health.status === 'ok') return reply.send({ status: 'ok', ...(isTrusted ? describe(deps) : {}) });
    const reasons = isTrusted ? { detail: health.reason } : {};
    throw serverErrors.not_ready({ ...reasons, retryAfterS: 1 });
  }

  own(app, '/livez', (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }));
  own(app, '/readyz', ready);
  own(app, '/health', ready);
  own(app, '/metrics', async (request, reply) => {
    if (deps.metricsAccess === 'key' || !isLoopback(request)) {
      await deps.identity.authenticate(request.headers.authorization, { address: request.ip });
    }
    return reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(await deps.metricsText());
  });
}

/** What the API is, for people and programs. */
export function addReferenceRoutes(app: FastifyInstance, document: OpenApi): void {
  const json = { 'content-type': 'application/json; charset=utf-8' };
  own(
    app,
    '/openapi.json',
    fixedAnswer(json, () => JSON.stringify(document)),
  );
  own(
    app,
    '/docs',
    fixedAnswer(REFERENCE_HEADERS, () => renderReference(document)),
  );
  own(app, '/docs/errors', fixedAnswer(REFERENCE_HEADERS, renderErrorReference));
}
