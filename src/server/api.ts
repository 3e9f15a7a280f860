/**
 * The API: systems' routes on fastify, each with its trace, principal, deadline, validation and access log line.
 */
import type { ServerResponse } from 'node:http';
import type { Span } from '@opentelemetry/api';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  type RouteOptions,
} from 'fastify';
import { createDeadline, type Deadline, withSignal } from '#base/deadline';
import { lifecycleErrors } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Histogram } from '#base/metrics/histogram';
import type { Runtime } from '#base/runtime';
import { type Trace, type Tracer, traceHeaders } from '#base/trace';
import { defineLazy } from '#base/values/lazy';
import type { Database } from '#blocks/database';
import type { Identity, Principal } from '#blocks/identity';
import type { Mutations } from '#blocks/mutation';
import { deprecationHeaders, parsePreconditions, type RawShape, type Route } from '#blocks/system';
import { serverErrors } from './errors.ts';
import { answerOf } from './http/answer.ts';
import { compileValidator } from './http/api-validation.ts';
import type { Bodies } from './http/body.ts';
import type { ClientAddresses } from './http/client-address.ts';
import { addCors, type CorsHeaders } from './http/cors.ts';
import { translateFrameworkError } from './http/framework-errors.ts';
import { shapeOf } from './http/path-shape.ts';
import { problemHeaders, problemOf, toLoadstoneError } from './http/problem.ts';
import type { Pages } from './pages/pages.ts';
import { sendPage } from './pages/replies.ts';
import { createMutate } from './systems/mutate.ts';
import { createSession, type Session } from './systems/session.ts';
import type { AccessSamples } from './trace/access-samples.ts';
import { traceparentOf } from './trace/traceparent.ts';

export interface ApiOptions {
  requestTimeoutMs: number;
}

export interface ApiDeps extends Pick<Runtime, 'clock' | 'log'> {
  tracer: Tracer;
  identity: Identity;
  mutations: Mutations;
  database: Pick<Database, 'reader' | 'anonymous'>;
  /** Whether answers should close their connections. */
  isDraining: () => boolean;
  /** Aborts when requests in flight have to end. */
  stopping: AbortSignal;
  samples: AccessSamples;
  pages: Pages;
  bodies: Bodies;
  clients: ClientAddresses;
  corsHeaders: CorsHeaders;
  /** Of all routes, raw ones too. */
  latency: Histogram;
}

/** What the server keeps for each request under way. */
interface Context {
  /** Of its route; fastify makes `routeOptions` anew whenever they are asked for. */
  config: FastifyRequest['routeOptions']['config'];
  response: ServerResponse;
  trace: Trace;
  span: Span;
  startedMs: number;
  principal: Principal | undefined;
  deadline: Deadline | undefined;
  /** Undefined until a route takes the request. */
  session: Session | undefined;
  /** The code of the problem that it is answered with. */
  problem: string | undefined;
  /** Its lines carry the trace id. Made when first used: most requests log nothing but their access line. */
  log(): Log;
}

declare module 'fastify' {
  interface FastifyRequest {
    loadstone: Context;
  }
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const { loadstone } = reply.request;
  const coded = toLoadstoneError(translateFrameworkError(error));
  if (coded.status >= 500 && !coded.retryable) loadstone.log().error({ err: error }, coded.title);
  loadstone.problem = coded.code;
  if (coded.status >= 400) loadstone.span.setAttribute('error.type', coded.code);
  return reply
    .code(coded.status)
    .headers(problemHeaders(coded))
    .serializer(JSON.stringify)
    .send(problemOf(coded, loadstone.trace.traceId));
}

/** What fastify checks of a request, and writes answers by. */
function schemaOf({ params, query, body, replies }: Route['shape']): FastifySchema {
  return {
    ...(params ? { params } : {}),
    ...(query ? { querystring: query } : {}),
    ...(body ? { body } : {}),
    response: Object.fromEntries(Object.entries(replies).filter(([, schema]) => schema !== null)),
  };
}

/** A route, and the system that it belongs to. */
export interface ServedRoute {
  system: string;
  route: Route;
}

const withLog = defineLazy<'log', Log>('log');

/** Fastify's side of one route. */
function toFastify({ system, route }: ServedRoute, options: ApiOptions, deps: ApiDeps): RouteOptions {
  const { shape, handle } = route;
  return {
    method: shape.method,
    url: shape.path,
    schema: schemaOf(shape),
    config: {
      public: shape.access === 'public',
      takesBody: shape.body !== undefined,
      ...(shape.deprecated ? { headers: deprecationHeaders(shape.deprecated) } : {}),
    },
    // From here on, since how fast the body comes is the client's doing.
    preValidation(request, _reply, done) {
      request.loadstone.deadline = createDeadline(deps.clock, options.requestTimeoutMs, deps.stopping);
      done();
    },
    async handler(request, reply) {
      const { trace, deadline, principal } = request.loadstone;
      const signal = deadline?.signal ?? deps.stopping;
      const { url, body, headers } = request;
      const key = headers['idempotency-key'];
      const { traceparent } = trace;
      const session = createSession(headers);
      request.loadstone.session = session;
      const onCommit = session.committed;
      const bytes = Number(headers['content-length'] ?? 0);
      const asked = { system, shape, url, body, key, traceparent, signal, bytes, onCommit };
      const preconditions = shape.precondition ? parsePreconditions(headers) : undefined;
      const work = handle(
        {
          params: request.params as Record<string, unknown>,
          query: request.query as Record<string, unknown>,
          body,
          headers,
          preconditions,
        },
        withLog(
          {
            signal,
            traceId: trace.traceId,
            traceHeaders: traceHeaders(trace),
            reader: () =>
              principal === undefined
                ? deps.database.anonymous(signal)
                : deps.database.reader({ consistency: shape.consistency, after: session.after(), signal }),
            ...(principal === undefined
              ? {}
              : { principal, ...createMutate({ ...asked, principal }, deps.mutations) }),
          },
          request.loadstone.log,
        ),
      );
      const result = answerOf(shape, await withSignal(work, signal), preconditions);
      return reply
        .code(result.status)
        .headers(result.headers ?? {})
        .send(result.body);
    },
  };
}

/** Which methods a path has. */
type MethodsOf = (url: string) => readonly string[] | undefined;

/** For those that it has not. */
function createMethodsOf(routes: readonly { method: string; url: string }[]) {
  const paths = [...Map.groupBy(routes, ({ url }) => url)].map(([url, own]) => ({
    pattern: new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+')}$`),
    methods: [...new Set(own.map(({ method }) => method))],
  }));
  return (url: string): readonly string[] | undefined => {
    const [path = ''] = url.split('?', 1);
    return paths.find(({ pattern }) => pattern.test(path))?.methods;
  };
}

function addressesOf({ method, path, trailingSlash = false }: RawShape): { method: string; url: string }[] {
  const urls = trailingSlash ? [path, `${path}/`] : [path];
  const methods = method === 'GET' ? ['GET', 'HEAD'] : [method];
  return urls.flatMap((url) => methods.map((each) => ({ method: each, url })));
}

/** Before its body is looked at: nobody wants it. */
function refuseUnknown({ method, url }: FastifyRequest, methodsOf: MethodsOf): never {
  const methods = methodsOf(url);
  // A raw route may have left a request with its method to others.
  if (methods === undefined || methods.includes(method))
    throw serverErrors.not_found({ detail: `${method} ${url.split('?')[0]}` });
  const allow = methods.join(', ');
  throw serverErrors.method_not_allowed({ detail: `allowed is ${allow}`, headers: { allow } });
}

/** A body is read only for a route that takes one, which is after its caller is known. */
function addBodyParsers(app: FastifyInstance, { readJson }: Bodies): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request: FastifyRequest) =>
    readJson(request.raw, request.loadstone.response),
  );
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    if (request.loadstone.config.takesBody) throw serverErrors.media_type_unsupported();
    return undefined;
  });
}

function beginContext(request: FastifyRequest, reply: FastifyReply, deps: ApiDeps): void {
  const { trace, span } = deps.tracer.begin(traceparentOf(request.raw), request.method, 'server');
  let log: Log | undefined;
  request.loadstone = {
    config: request.routeOptions.config,
    response: reply.raw,
    trace,
    span,
    startedMs: deps.clock.monotonicMs(),
    principal: undefined,
    deadline: undefined,
    session: undefined,
    problem: undefined,
    log() {
      log ??= deps.log.child({ traceId: trace.traceId, spanId: trace.spanId });
      return log;
    },
  };
  reply.headers(traceHeaders(trace));
  // Comes when the answer has been sent, and when it cannot be any more.
  reply.raw.once('close', () => endContext(request, reply, deps));
}

/** Of a client that has gone without its answer, or an answer that the stop of the server has cut off. */
function statusOf({ raw, statusCode }: FastifyReply, stopping: AbortSignal): number {
  if (raw.writableFinished) return statusCode;
  return stopping.aborted ? lifecycleErrors.stopped().status : serverErrors.client_gone().status;
}

function endContext(request: FastifyRequest, reply: FastifyReply, deps: ApiDeps): void {
  const { config, trace, span, startedMs, principal, deadline } = request.loadstone;
  // Work that goes on although the client has gone keeps its deadline.
  if (reply.raw.writableFinished) deadline?.done();
  const latencyMs = deps.clock.monotonicMs() - startedMs;
  const route = config?.url ?? 'unknown';
  const status = statusOf(reply, deps.stopping);
  deps.latency.observe({ method: request.method, route, status }, latencyMs / 1000);
  span.updateName(`${request.method} ${route}`).setAttribute('http.response.status_code', status).end();
  const sampled = deps.samples.sample({ status, isRaw: false, hasCaller: principal !== undefined });
  if (!sampled) return;
  deps.log.info({
    traceId: trace.traceId,
    spanId: trace.spanId,
    method: request.method,
    route: request.is404 ? shapeOf(request.raw.url ?? '') : route,
    status,
    code: request.loadstone.problem,
    latencyMs,
    workspaceId: principal?.workspaceId,
    ...sampled,
  });
}

function addHooks(
  app: FastifyInstance,
  { requestTimeoutMs }: ApiOptions,
  deps: ApiDeps,
  methodsOf: MethodsOf,
): void {
  async function authenticate(request: FastifyRequest): Promise<void> {
    const deadline = createDeadline(deps.clock, requestTimeoutMs, deps.stopping);
    request.loadstone.principal = await deps.identity
      .authenticate(request.headers.authorization, { address: request.ip, signal: deadline.signal })
      .finally(deadline.done);
  }

  app.decorateRequest('loadstone', null as unknown as Context);
  // None of these is an async function: each of those is a promise more for every request.
  app.addHook('onRequest', (request, reply, done) => {
    beginContext(request, reply, deps);
    const { headers } = request.loadstone.config;
    if (headers) reply.headers(headers);
    done();
  });
  addCors(app, deps.corsHeaders);
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.is404) refuseUnknown(request, methodsOf);
    const { config } = request.loadstone;
    // Of a body that nobody reads, the type does not matter either.
    if (!config.takesBody) delete request.raw.headers['content-type'];
    if (!config.public) request.loadstone.principal = deps.identity.known(request.headers.authorization);
    if (config.public || request.loadstone.principal) done();
    else authenticate(request).then(() => done(), done);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const { session } = request.loadstone;
    if (session) reply.headers(session.headers());
    if (deps.isDraining()) reply.raw.shouldKeepAlive = false;
    done(null, payload);
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a key. */
    public?: boolean;
    /** Its body is read, as JSON. */
    takesBody?: boolean;
    /** Of every answer, refusals too. */
    headers?: Readonly<Record<string, string>>;
  }
}

/**
 * @param raw what is answered before a request comes here
 * @param addOwn adds the server's own routes (health, metrics, reference)
 */
export async function createApi(
  options: ApiOptions,
  deps: ApiDeps,
  routes: readonly ServedRoute[],
  raw: readonly RawShape[],
  addOwn: (app: FastifyInstance) => void,
): Promise<FastifyInstance> {
  const seen: { method: string; url: string }[] = [];
  const app = Fastify({
    logger: false,
    trustProxy: deps.clients.isTrusted,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => {
      // Refused before any hook has run.
      beginContext(request, reply, deps);
      sendError(reply, error);
    },
  });
  app.setValidatorCompiler(compileValidator as never);
  app.setErrorHandler((error, { loadstone }, reply) => {
    const coded = toLoadstoneError(translateFrameworkError(error));
    return sendPage(reply, coded, loadstone.trace.traceId, deps.pages) ?? sendError(reply, error);
  });
  let methodsOf = createMethodsOf([]);
  addHooks(app, options, deps, (url) => methodsOf(url));
  addBodyParsers(app, deps.bodies);
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) seen.push({ method: each, url });
  });
  for (const route of routes) app.route(toFastify(route, options, deps));
  addOwn(app);
  methodsOf = createMethodsOf([...seen, ...raw.flatMap(addressesOf)]);
  app.setNotFoundHandler((request) => refuseUnknown(request, methodsOf));
  await app.ready();
  return app;
}
