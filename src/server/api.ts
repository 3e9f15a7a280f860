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
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Default } from 'typebox/value';
import type { Clock } from '#base/clock';
import { createDeadline, type Deadline, withSignal } from '#base/deadline';
import type { FieldProblem } from '#base/errors';
import { lifecycleErrors } from '#base/lifecycle';
import type { Log } from '#base/log';
import { listProblems } from '#base/schema';
import type { Signals } from '#base/signals';
import { type Trace, type Tracer, traceHeaders } from '#base/trace';
import type { Database } from '#blocks/database';
import type { Identity, Principal } from '#blocks/identity';
import type { Mutations } from '#blocks/mutation';
import { parsePreconditions, type Route } from '#blocks/system';
import type { AccessSamples } from './access-samples.ts';
import { answerOf } from './answer.ts';
import { createBodies } from './body.ts';
import { addCors } from './cors.ts';
import { serverErrors } from './errors.ts';
import { translateFrameworkError } from './framework-errors.ts';
import { createMutate } from './mutate.ts';
import { sendPage } from './page-replies.ts';
import type { Pages } from './pages.ts';
import { shapeOf } from './path-shape.ts';
import { problemHeaders, problemOf, toLoadstoneError } from './problem.ts';
import { createSession, type Session } from './session.ts';
import { readTextValues } from './text-values.ts';
import { traceparentOf } from './traceparent.ts';

export interface ApiOptions {
  bodyBytesMax: number;
  bodiesBytesMax: number;
  cors: { origins: readonly string[] };
  requestTimeoutMs: number;
  trustedProxies: readonly string[];
}

export interface ApiDeps {
  clock: Clock;
  log: Log;
  signals: Signals;
  tracer: Tracer;
  identity: Identity;
  mutations: Mutations;
  database: Pick<Database, 'reader' | 'anonymous'>;
  /** Whether answers should close their connections. */
  isDraining: () => boolean;
  /** Aborts when requests in flight have to end. */
  stopping: AbortSignal;
  /** What the line of an answer to a caller without a key says; undefined when it has none. */
  sampleAnonymous: AccessSamples['anonymous'];
  pages: Pages;
}

/** What the server keeps for each request under way. */
interface Context {
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

const POINTER_PREFIX: Record<string, string> = { querystring: '?', params: ':' };

/** Query and path arrive as text and are converted; a body is taken as it is. */
function compileValidator({ schema, httpPart }: { schema: unknown; httpPart?: string }) {
  const type = schema as TSchema;
  const validator = Compile(type);
  const isText = httpPart !== 'body';
  return (input: unknown): { value: unknown } | { error: Error } => {
    const value = isText ? Default(type, readTextValues(type, input as Record<string, unknown>)) : input;
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

/** Fastify's side of one route. */
function toFastify({ system, route }: ServedRoute, options: ApiOptions, deps: ApiDeps): RouteOptions {
  const { shape, handle } = route;
  return {
    method: shape.method,
    url: shape.path,
    schema: schemaOf(shape),
    config: { public: shape.access === 'public', takesBody: shape.body !== undefined },
    // From here on, since how fast the body comes is the client's doing.
    async preValidation(request) {
      request.loadstone.deadline = createDeadline(deps.clock, options.requestTimeoutMs, deps.stopping);
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
        {
          signal,
          traceId: trace.traceId,
          traceHeaders: traceHeaders(trace),
          get log() {
            return request.loadstone.log();
          },
          reader: () =>
            principal === undefined
              ? deps.database.anonymous(signal)
              : deps.database.reader({ consistency: shape.consistency, after: session.after(), signal }),
          ...(principal === undefined
            ? {}
            : { principal, ...createMutate({ ...asked, principal }, deps.mutations) }),
        },
      );
      const result = answerOf(shape, await withSignal(work, signal), preconditions);
      return reply
        .code(result.status)
        .headers(result.headers ?? {})
        .send(result.body);
    },
  };
}

/** Tells which methods a path has, for those that it has not. */
function createMethodsOf(routes: readonly { method: string; url: string }[]) {
  const paths = [...Map.groupBy(routes, ({ url }) => url)].map(([url, own]) => ({
    pattern: new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+')}$`),
    methods: [...new Set(own.map(({ method }) => method))].join(', '),
  }));
  return (url: string): string | undefined => {
    const [path = ''] = url.split('?', 1);
    return paths.find(({ pattern }) => pattern.test(path))?.methods;
  };
}

/** Before its body is looked at: nobody wants it. */
function refuseUnknown(
  { method, url }: FastifyRequest,
  methodsOf: (url: string) => string | undefined,
): never {
  const allow = methodsOf(url);
  if (allow === undefined) throw serverErrors.not_found({ detail: `${method} ${url.split('?')[0]}` });
  throw serverErrors.method_not_allowed({ detail: `allowed is ${allow}`, headers: { allow } });
}

/** A body is read only for a route that takes one, which is after its caller is known. */
function addBodyParsers(app: FastifyInstance, options: ApiOptions): void {
  const { readJson } = createBodies(options);
  app.removeAllContentTypeParsers();
  app.addHook('onRequest', async (request) => {
    // Of a body that nobody reads, the type does not matter either.
    if (!request.routeOptions.config.takesBody) delete request.raw.headers['content-type'];
  });
  app.addContentTypeParser('application/json', async (request: FastifyRequest) => {
    const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? '';
    if (coding !== '' && coding !== 'identity') throw serverErrors.content_coding_unsupported();
    return readJson(request.raw, request.loadstone.response);
  });
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    if (request.routeOptions.config.takesBody) throw serverErrors.media_type_unsupported();
    return undefined;
  });
}

interface ContextDeps extends ApiDeps {
  latency: ReturnType<Signals['histogram']>;
}

function beginContext(request: FastifyRequest, reply: FastifyReply, deps: ContextDeps): void {
  const { trace, span } = deps.tracer.begin(traceparentOf(request.raw), request.method, 'server');
  let log: Log | undefined;
  request.loadstone = {
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

function endContext(request: FastifyRequest, reply: FastifyReply, deps: ContextDeps): void {
  const { trace, span, startedMs, principal, deadline } = request.loadstone;
  // Work that goes on although the client has gone keeps its deadline.
  if (reply.raw.writableFinished) deadline?.done();
  const latencyMs = deps.clock.monotonicMs() - startedMs;
  const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
  const status = statusOf(reply, deps.stopping);
  deps.latency.observe({ method: request.method, route, status }, latencyMs / 1000);
  span.updateName(`${request.method} ${route}`).setAttribute('http.response.status_code', status).end();
  const sampled = principal === undefined ? deps.sampleAnonymous(status) : {};
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
  { requestTimeoutMs, cors }: ApiOptions,
  deps: ContextDeps,
  methodsOf: (url: string) => string | undefined,
): void {
  app.decorateRequest('loadstone', null as unknown as Context);
  app.addHook('onRequest', async (request, reply) => {
    beginContext(request, reply, deps);
  });
  addCors(app, cors.origins);
  app.addHook('onRequest', async (request) => {
    if (request.is404) refuseUnknown(request, methodsOf);
    if (request.routeOptions.config.public) return;
    request.loadstone.principal = deps.identity.known(request.headers.authorization);
    if (request.loadstone.principal) return;
    const deadline = createDeadline(deps.clock, requestTimeoutMs, deps.stopping);
    request.loadstone.principal = await deps.identity
      .authenticate(request.headers.authorization, { address: request.ip, signal: deadline.signal })
      .finally(deadline.done);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const { session } = request.loadstone;
    if (session) reply.headers(session.headers());
    if (deps.isDraining()) reply.raw.shouldKeepAlive = false;
    return payload;
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a key. */
    public?: boolean;
    /** Its body is read, as JSON. */
    takesBody?: boolean;
  }
}

/**
 * @param addOwn adds the server's own routes (health, metrics, reference)
 */
export async function createApi(
  options: ApiOptions,
  given: ApiDeps,
  routes: readonly ServedRoute[],
  addOwn: (app: FastifyInstance) => void,
): Promise<FastifyInstance> {
  const latency = given.signals.histogram('loadstone_http_request_duration_seconds', {
    help: 'Time from the headers of an API request to its answer; status 499 is a client that has gone before it',
    labels: ['method', 'route', 'status'],
  });
  const deps = { ...given, latency };
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
  app.setErrorHandler((error, { loadstone }, reply) => {
    const coded = toLoadstoneError(translateFrameworkError(error));
    return sendPage(reply, coded, loadstone.trace.traceId, deps.pages) ?? sendError(reply, error);
  });
  let methodsOf = createMethodsOf([]);
  addHooks(app, options, deps, (url) => methodsOf(url));
  addBodyParsers(app, options);
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) seen.push({ method: each, url });
  });
  for (const route of routes) app.route(toFastify(route, options, deps));
  addOwn(app);
  methodsOf = createMethodsOf(seen);
  app.setNotFoundHandler((request) => refuseUnknown(request, methodsOf));
  await app.ready();
  return app;
}
