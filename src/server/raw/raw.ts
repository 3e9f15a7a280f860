/**
 * Raw routes: past the framework, with what its routes have all the same. One call is one object of a fixed form, and what
 * can be done with it are functions shared by all of them: closures made for each would cost a redirect some per cent.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createDeadline, type Deadline, withSignal } from '#base/deadline';
import { lifecycleErrors } from '#base/lifecycle';
import type { Histogram, HistogramSeries } from '#base/metrics/histogram';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import type { Identity, Principal } from '#blocks/identity';
import { deprecationHeaders, PASS, type RawCall, type RawRoute } from '#blocks/system';
import { serverErrors } from '../errors.ts';
import { compileValidator } from '../http/api-validation.ts';
import type { Bodies } from '../http/body.ts';
import type { ClientAddresses } from '../http/client-address.ts';
import type { CorsHeaders } from '../http/cors.ts';
import { isVersioned } from '../http/own-words.ts';
import { toLoadstoneError, writeProblem } from '../http/problem.ts';
import { isRead, type Pages } from '../pages/pages.ts';
import type { AccessSamples } from '../trace/access-samples.ts';
import { traceparentOf } from '../trace/traceparent.ts';
import { createRawMatcher } from './matcher.ts';

export interface RawDeps extends Pick<Runtime, 'clock' | 'log'> {
  tracer: Tracer;
  identity: Pick<Identity, 'authenticate'>;
  samples: AccessSamples;
  pages: Pages;
  bodies: Bodies;
  clients: ClientAddresses;
  corsHeaders: CorsHeaders;
  /** That of all routes. */
  latency: Histogram;
  isDraining: () => boolean;
  /** Aborts when requests in flight have to end. */
  stopping: AbortSignal;
  /** Takes what no raw route answers. */
  framework: (request: IncomingMessage, response: ServerResponse) => void;
}

/** A raw route, and what is known of it before anybody asks. */
interface Served {
  answer: RawRoute['answer'];
  /** Its label. */
  path: string;
  needsKey: boolean;
  /** Pages of other origins may read it, and no page stands in the place of its problems. */
  isApi: boolean;
  readBody: ((call: Exchange) => Promise<unknown>) | undefined;
  /** Names and values by turns, of every answer. */
  headers: readonly string[];
  /** By method and status. */
  series: Map<string, HistogramSeries>;
  /** The one of the last answer, which is mostly the one of the next. */
  last: { method: string; status: number; series: HistogramSeries } | undefined;
}

/** A call, and what the server keeps for it. */
interface Exchange extends RawCall {
  principal: Principal | undefined;
  body: never;
  served: Served;
  startedMs: number;
  trace: string | undefined;
  deadline: Deadline | undefined;
  /** The code of the problem that it is answered with. */
  problem: string | undefined;
}

export type RawHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** As the framework's parsers take it. */
const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

function serve({ shape, answer }: RawRoute, { bodies }: RawDeps): Served {
  const isApi = isVersioned(shape.path);
  const validate = shape.body && compileValidator({ schema: shape.body, httpPart: 'body' });
  return {
    answer,
    path: shape.path,
    needsKey: shape.access !== 'public',
    isApi,
    readBody:
      validate &&
      (async ({ request, response }) => {
        if (!JSON_TYPE.test(request.headers['content-type'] ?? ''))
          throw serverErrors.media_type_unsupported();
        const outcome = validate(await bodies.readJson(request, response));
        if ('error' in outcome) throw outcome.error;
        return outcome.value;
      }),
    headers: Object.entries(shape.deprecated ? deprecationHeaders(shape.deprecated) : {}).flat(),
    series: new Map(),
    last: undefined,
  };
}

const byTurns = (headers: Readonly<Record<string, string>>) => Object.entries(headers).flat();

/** What a handler does with its call. */
function createActions(options: { requestTimeoutMs: number }, deps: RawDeps) {
  const { clock, log, tracer, pages, corsHeaders, stopping } = deps;

  function traceparent(this: Exchange): string {
    this.trace ??= tracer.traceparent(traceparentOf(this.request));
    return this.trace;
  }

  function signal(this: Exchange): AbortSignal {
    this.deadline ??= createDeadline(clock, options.requestTimeoutMs, stopping);
    return this.deadline.signal;
  }

  function writeHead(this: Exchange, status: number, headers: string[]): ServerResponse {
    const { request, response, served } = this;
    headers.push('traceparent', this.traceparent());
    if (request.headers.tracestate !== undefined) {
      const tracestate = tracer.tracestate(traceparentOf(request));
      if (tracestate !== undefined) headers.push('tracestate', tracestate);
    }
    if (served.headers.length > 0) headers.push(...served.headers);
    if (served.isApi) headers.push(...byTurns(corsHeaders(request)));
    if (deps.isDraining()) response.shouldKeepAlive = false;
    return response.writeHead(status, headers);
  }

  function refuse(this: Exchange, error: unknown, text?: { title: string; text: string }): void {
    const { request, response, served } = this;
    const coded = toLoadstoneError(error);
    const traceparent = this.traceparent();
    const traceId = traceparent.slice(3, 35);
    if (coded.status >= 500 && !coded.retryable) log.error({ err: error, traceId }, coded.title);
    this.problem = coded.code;
    const page = served.isApi ? undefined : pages.problem(request, coded, traceId, text);
    const varies = !served.isApi && isRead(request) ? { vary: 'Accept' } : {};
    const own = served.isApi ? corsHeaders(request) : {};
    const headers = { ...varies, ...own, ...page?.headers };
    for (let at = 0; at < served.headers.length; at += 2)
      Object.assign(headers, { [served.headers[at] as string]: served.headers[at + 1] });
    const tracestate = tracer.tracestate(traceparentOf(request));
    if (deps.isDraining()) response.shouldKeepAlive = false;
    const answer = page === undefined ? { headers } : { headers, body: page.body };
    writeProblem(response, coded, { traceId, traceparent, tracestate }, answer);
  }

  return { traceparent, signal, writeHead, refuse };
}

/** Measures what has been answered, and writes its line if it has one. */
function createSettle({ clock, log, samples, latency }: RawDeps) {
  function seriesOf({ request: { method = '' }, served }: Exchange, status: number): HistogramSeries {
    const { last } = served;
    if (last?.status === status && last.method === method) return last.series;
    const key = `${method} ${status}`;
    const series = served.series.get(key) ?? latency.series({ method, route: served.path, status });
    served.series.set(key, series);
    served.last = { method, status, series };
    return series;
  }

  return (call: Exchange, status: number): void => {
    const latencyMs = clock.monotonicMs() - call.startedMs;
    call.deadline?.done();
    seriesOf(call, status).observe(latencyMs / 1000);
    const { request, principal, served, problem } = call;
    const sampled = samples.sample({ status, isRaw: true, hasCaller: principal !== undefined });
    if (!sampled) return;
    const traceparent = call.traceparent();
    log.info({
      traceId: traceparent.slice(3, 35),
      spanId: traceparent.slice(36, 52),
      method: request.method,
      route: served.path,
      status,
      code: problem,
      latencyMs,
      workspaceId: principal?.workspaceId,
      ...sampled,
    });
  };
}

/** Answers all requests: those of raw routes here, and the others by the framework. */
export function createRawHandler(
  options: { requestTimeoutMs: number },
  deps: RawDeps,
  routes: { raw: readonly RawRoute[]; framework: readonly { method: string; path: string }[] },
): RawHandler {
  const { clock, stopping } = deps;
  const withHead = (method: string) => (method === 'GET' ? ['GET', 'HEAD'] : [method]);
  const matcher = createRawMatcher<Served>([
    ...routes.framework.flatMap(({ method, path }) =>
      withHead(method).map((each) => ({ method: each, path, owner: 'framework' as const })),
    ),
    ...routes.raw.flatMap((route) => {
      const { method, path, trailingSlash = false } = route.shape;
      const owner = serve(route, deps);
      const paths = trailingSlash ? [path, `${path}/`] : [path];
      return withHead(method).flatMap((each) => paths.map((of) => ({ method: each, path: of, owner })));
    }),
  ]);
  const { traceparent, signal, writeHead, refuse } = createActions(options, deps);
  const settle = createSettle(deps);

  /** As for all routes: 499 is a client that has gone before its answer. */
  function settleWhenClosed(call: Exchange): void {
    const { response } = call;
    response.once('close', () => {
      const isCut = stopping.aborted ? lifecycleErrors.stopped().status : serverErrors.client_gone().status;
      settle(call, response.writableFinished ? response.statusCode : isCut);
    });
  }

  async function wait(call: Exchange, work: Promise<void>): Promise<void> {
    settleWhenClosed(call);
    try {
      await withSignal(work, call.signal());
    } catch (error) {
      call.refuse(error);
    }
  }

  /** For a route with a key or a body, which both come later. */
  async function prepare(call: Exchange): Promise<void> {
    const { request, response, served } = call;
    try {
      if (served.needsKey) {
        const address = deps.clients.addressOf(request);
        const deadline = createDeadline(clock, options.requestTimeoutMs, stopping);
        call.principal = await deps.identity
          .authenticate(request.headers.authorization, { address, signal: deadline.signal })
          .finally(deadline.done);
      }
      if (served.readBody) call.body = (await served.readBody(call)) as never;
      // The client may have gone meanwhile.
      if (response.destroyed) return settleWhenClosed(call);
    } catch (error) {
      settleWhenClosed(call);
      call.refuse(error);
      return;
    }
    run(call);
  }

  function run(call: Exchange): void {
    const { response } = call;
    try {
      const answer = call.served.answer(call);
      if (answer === PASS) {
        deps.framework(call.request, response);
        return;
      }
      if (answer !== undefined) {
        void wait(call, answer);
        return;
      }
    } catch (error) {
      call.refuse(error);
    }
    // What has been answered within its own turn has no other end than that.
    if (response.writableEnded) settle(call, response.statusCode);
    else settleWhenClosed(call);
  }

  return (request, response) => {
    const found = matcher.find(request.method ?? '', request.url ?? '');
    if (found === undefined) {
      deps.framework(request, response);
      return;
    }
    const served = found.route;
    const call: Exchange = {
      request,
      response,
      params: found.params,
      principal: undefined,
      body: undefined as never,
      traceparent,
      signal,
      writeHead,
      refuse,
      served,
      startedMs: clock.monotonicMs(),
      trace: undefined,
      deadline: undefined,
      problem: undefined,
    };
    if (served.needsKey || served.readBody) void prepare(call);
    else run(call);
  };
}
