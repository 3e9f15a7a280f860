/**
 * The API: systems' routes on fastify, each with its trace, principal, deadline, validation and access log line.
 */
import type { IncomingMessage } from 'node:http';
import swagger from '@fastify/swagger';
import type { Span } from '@opentelemetry/api';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Convert, Default } from 'typebox/value';
import type { Clock } from '#base/clock';
import { createDeadline, type Deadline, withSignal } from '#base/deadline';
import type { FieldProblem } from '#base/errors';
import type { Log } from '#base/log';
import { listProblems } from '#base/schema';
import type { Signals } from '#base/signals';
import type { Trace, Tracer } from '#base/trace';
import type { Database } from '#blocks/database';
import type { Identity, Principal } from '#blocks/identity';
import type { Mutations } from '#blocks/mutation';
import type { Route } from '#blocks/system';
import { readJson } from './body.ts';
import { serverErrors } from './errors.ts';
import { createMutate } from './mutate.ts';
import { openApiInfo, routeSchema } from './openapi.ts';
import { problemHeaders, problemOf, toLoadstoneError } from './problem.ts';
import { createSession, type Session } from './session.ts';
import { traceparentOf } from './traceparent.ts';

export interface ApiOptions {
  bodyBytesMax: number;
  requestTimeoutMs: number;
  trustedProxies: readonly string[];
  publicUrl: string;
}

export interface ApiDeps {
  clock: Clock;
  log: Log;
  signals: Signals;
  tracer: Tracer;
  identity: Identity;
  mutations: Mutations;
  database: Pick<Database, 'reader'>;
  /** Whether answers should close their connections. */
  isDraining: () => boolean;
  /** Aborts when requests in flight have to end. */
  stopping: AbortSignal;
}

/** What the server keeps for each request under way. */
interface Context {
  trace: Trace;
  span: Span;
  startedMs: number;
  principal: Principal | undefined;
  deadline: Deadline | undefined;
  /** Undefined until a route takes the request. */
  session: Session | undefined;
  /** Its lines carry the trace id. Made when first used: most requests log nothing but their access line. */
  log(): Log;
}

declare module 'fastify' {
  interface FastifyRequest {
    loadstone: Context;
  }
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const POINTER_PREFIX: Record<string, string> = { querystring: '?', params: ':' };

/** Fastify's own refusals in our words. */
function translate(error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return serverErrors.media_type_unsupported();
  if (code === 'FST_ERR_MAX_PARAM_LENGTH')
    return serverErrors.not_found({ detail: 'a part of the path is too long' });
  if (code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_ASYNC_CONSTRAINT') {
    return serverErrors.request_malformed({ detail: 'the path is not well encoded' });
  }
  return error;
}

/** Query and path arrive as text and are converted; a body is taken as it is. */
function compileValidator({ schema, httpPart }: { schema: unknown; httpPart?: string }) {
  const type = schema as TSchema;
  const validator = Compile(type);
  const isText = httpPart !== 'body';
  return (input: unknown): { value: unknown } | { error: Error } => {
    const value = isText ? Convert(type, Default(type, { ...(input as object) })) : input;
    const problems = listProblems(type, value, validator);
    if (problems.length === 0) return { value };
    const prefix = POINTER_PREFIX[httpPart ?? ''];
    const errors: FieldProblem[] = problems.map(({ pointer, detail }) => ({
      pointer: prefix === undefined ? pointer : `${prefix}${pointer.slice(1)}`,
      detail,
    }));
    return { error: serverErrors.request_invalid({ errors, detail: describe(errors[0]) }) };
  };
}

function describe(problem: FieldProblem | undefined): string {
  return problem ? `${problem.pointer || 'the body'} ${problem.detail}` : 'the request does not fit';
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const { loadstone } = reply.request;
  const coded = toLoadstoneError(translate(error));
  if (coded.status >= 500 && !coded.retryable) loadstone.log().error({ err: error }, coded.title);
  if (coded.status >= 400) loadstone.span.setAttribute('error.type', coded.code);
  return reply
    .code(coded.status)
    .headers(problemHeaders(coded))
    .serializer(JSON.stringify)
    .send(problemOf(coded, loadstone.trace.traceId));
}

/** A route, and the system that it belongs to. */
export interface ServedRoute {
  system: string;
  route: Route;
}

/** Fastify's side of one route. */
function toFastify({ system, route }: ServedRoute, options: ApiOptions, deps: ApiDeps): RouteOptions {
  const { shape, handle } = route;
  return {
    method: shape.method,
    url: shape.path,
    schema: routeSchema(shape),
    // From here on, since how fast the body comes is the client's doing.
    async preValidation(request) {
      request.loadstone.deadline = createDeadline(deps.clock, options.requestTimeoutMs, deps.stopping);
    },
    async handler(request, reply) {
      const { trace, deadline } = request.loadstone;
      const principal = request.loadstone.principal as Principal;
      const signal = deadline?.signal ?? deps.stopping;
      const { url, body, headers } = request;
      const key = headers['idempotency-key'];
      const { traceparent } = trace;
      const session = createSession(headers);
      request.loadstone.session = session;
      const onCommit = session.committed;
      const bytes = Number(headers['content-length'] ?? 0);
      const asked = { system, shape, url, body, key, principal, traceparent, signal, bytes, onCommit };
      const work = handle(
        {
          params: request.params as Record<string, unknown>,
          query: request.query as Record<string, unknown>,
          body,
          headers,
        },
        {
          principal,
          signal,
          traceId: trace.traceId,
          log: request.loadstone.log(),
          reader: () =>
            deps.database.reader({ consistency: shape.consistency, after: session.after(), signal }),
          ...createMutate(asked, deps.mutations),
        },
      );
      const result = await withSignal(work, signal);
      return reply
        .code(result.status)
        .headers(result.headers ?? {})
        .send(result.body);
    },
  };
}

/** Every other method of a known path: 405 with the methods that there are. */
function refuseOtherMethods(app: FastifyInstance, routes: readonly { method: string; url: string }[]): void {
  const byPath = Map.groupBy(routes, (route) => route.url);
  for (const [url, own] of byPath) {
    const taken = new Set(own.map((route) => route.method));
    if (taken.has('GET')) taken.add('HEAD');
    const others = METHODS.filter((method) => !taken.has(method));
    if (others.length === 0) continue;
    const allow = [...taken].join(', ');
    app.route({
      method: [...others],
      url,
      schema: { hide: true } as object,
      config: { public: true },
      handler: (_request, reply) =>
        sendError(
          reply,
          serverErrors.method_not_allowed({ detail: `allowed is ${allow}`, headers: { allow } }),
        ),
    });
  }
}

function beginContext(request: FastifyRequest, reply: FastifyReply, deps: ApiDeps): void {
  const { trace, span } = deps.tracer.begin(traceparentOf(request.raw), request.method, 'server');
  let log: Log | undefined;
  request.loadstone = {
    trace,
    span,
    startedMs: deps.clock.monotonicMs(),
    principal: undefined,
    deadline: undefined,
    session: undefined,
    log() {
      log ??= deps.log.child({ traceId: trace.traceId, spanId: trace.spanId });
      return log;
    },
  };
  reply.header('traceparent', trace.traceparent);
}

function addHooks(app: FastifyInstance, { requestTimeoutMs }: ApiOptions, deps: ApiDeps): void {
  const latency = deps.signals.histogram('loadstone_http_request_duration_seconds', {
    help: 'Time from the headers of an API request to its answer',
    labels: ['method', 'route', 'status'],
  });
  app.decorateRequest('loadstone', null as unknown as Context);
  app.addHook('onRequest', async (request, reply) => {
    beginContext(request, reply, deps);
  });
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.public || request.is404) return;
    const deadline = createDeadline(deps.clock, requestTimeoutMs, deps.stopping);
    request.loadstone.principal = await deps.identity
      .authenticate(request.headers.authorization, deadline.signal)
      .finally(deadline.done);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const { session } = request.loadstone;
    if (session) reply.headers(session.headers());
    if (deps.isDraining()) reply.raw.shouldKeepAlive = false;
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => {
    const { trace, span, startedMs, principal, deadline } = request.loadstone;
    deadline?.done();
    const latencyMs = deps.clock.monotonicMs() - startedMs;
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    latency.observe({ method: request.method, route, status: reply.statusCode }, latencyMs / 1000);
    span
      .updateName(`${request.method} ${route}`)
      .setAttribute('http.response.status_code', reply.statusCode)
      .end();
    deps.log.info({
      traceId: trace.traceId,
      spanId: trace.spanId,
      method: request.method,
      route,
      status: reply.statusCode,
      latencyMs: Math.round(latencyMs * 1000) / 1000,
      workspaceId: principal?.workspaceId,
    });
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a key. */
    public?: boolean;
  }
}

/**
 * @param addOwn adds the server's own routes (health, metrics, reference)
 */
export async function createApi(
  options: ApiOptions,
  deps: ApiDeps,
  routes: readonly ServedRoute[],
  addOwn: (app: FastifyInstance) => void,
): Promise<FastifyInstance> {
  const seen: { method: string; url: string }[] = [];
  const app = Fastify({
    logger: false,
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => {
      // Refused before any hook has run.
      beginContext(request, reply, deps);
      sendError(reply, error);
    },
  });
  app.setValidatorCompiler(compileValidator as never);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (_request: FastifyRequest, payload: IncomingMessage) =>
    readJson(payload, options.bodyBytesMax),
  );
  app.setErrorHandler((error, _request, reply) => sendError(reply, error));
  addHooks(app, options, deps);
  await app.register(swagger, { openapi: openApiInfo(options.publicUrl) as never });
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) seen.push({ method: each, url });
  });
  for (const route of routes) app.route(toFastify(route, options, deps));
  addOwn(app);
  refuseOtherMethods(app, [...seen]);
  app.setNotFoundHandler((request, reply) =>
    sendError(reply, serverErrors.not_found({ detail: `${request.method} ${request.url.split('?')[0]}` })),
  );
  await app.ready();
  return app;
}
