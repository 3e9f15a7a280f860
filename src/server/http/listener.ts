/**
 * The HTTP listener. It binds first, so that a taken port is known before anything else is started, and answers 503
 * until the server is ready; on stop it drains.
 *
 * States:  closed ──bind──▶ starting ──serve──▶ serving ──drain──▶ draining ──▶ closed
 *            └──bind, when there is what answers already──▶ serving
 */
import {
  createServer,
  type IncomingMessage,
  type ServerOptions as NodeServerOptions,
  type Server,
  type ServerResponse,
} from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError, type LoadstoneError } from '#base/errors';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import { serverErrors } from '../errors.ts';
import type { ServerOptions } from '../options.ts';
import type { AccessSamples } from '../trace/access-samples.ts';
import { traceparentOf } from '../trace/traceparent.ts';
import { boundUnreadBody, continueWhenRead } from './body.ts';
import { createCorsHeaders } from './cors.ts';
import { createFramingCheck, originForm } from './framing.ts';
import { type ListenAddress, parseListen } from './listen-address.ts';
import { createPipelining } from './pipelining.ts';
import { rawProblem, writeProblem } from './problem.ts';
import { createUnreadAnswers } from './unread-answers.ts';
import { closeSlowly, createUnreadable } from './unreadable.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Listener {
  /** Owns the port: start binds it, stop closes whatever is left. */
  port: Lifecycle;
  /** Owns the serving: start lets requests through, stop drains them. */
  front: Lifecycle;
  /** What answers requests while serving. */
  setHandler(handler: Handler): void;
  /** Whether answers should close their connections. */
  isDraining(): boolean;
  /** Valid once bound; the port is the real one. */
  address(): ListenAddress;
}

export interface ListenerDeps extends Pick<Runtime, 'clock' | 'log'> {
  tracer: Tracer;
  /** Which of the lines that anybody can cause are written. */
  samples: AccessSamples;
  /** Called when a drain has run out of time: requests still in flight are to be given up. */
  onCutOff: () => void;
}

type State = 'closed' | 'starting' | 'serving' | 'draining';

const IDLE_SWEEP_MS = 25;

function nodeOptions(http: ServerOptions['http']): NodeServerOptions {
  return {
    maxHeaderSize: http.headerBytesMax,
    headersTimeout: http.headersTimeoutMs,
    requestTimeout: http.receiveTimeoutMs,
    keepAliveTimeout: http.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, http.headersTimeoutMs),
    // Checked below, so that the refusal has a body.
    requireHostHeader: false,
    // A request without a body needs no stream for one: 0.6 of the 5.1 µs that node's JavaScript takes for it.
    optimizeEmptyRequests: true,
  };
}

export function createListener(
  options: Pick<ServerOptions, 'listen' | 'http'>,
  deps: ListenerDeps,
): Listener {
  const { http } = options;
  let state: State = 'closed';
  let handler: Handler | undefined;
  const wanted = parseListen(options.listen);
  let bound: ListenAddress = wanted;

  const server: Server = createServer(nodeOptions(http), onRequest);
  server.maxConnections = http.connectionsMax;
  // A client that has sent its last request may shut down its side: the answers to what it has sent are given all the same.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  const corsHeaders = createCorsHeaders(http.cors.origins);
  const onUnreadable = createUnreadable(deps);
  const pipelining = createPipelining(http, onUnreadable);
  const unreadAnswers = createUnreadAnswers(http, deps);
  const findMisframed = createFramingCheck();
  // Node counts a connection as idle only after its first request; these would hold up a drain.
  const silent = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    pipelining.watch(socket);
    unreadAnswers.watch(socket);
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('clientError', onUnreadable);
  server.on('connect', (_request: IncomingMessage, socket: Socket) => refuseTunnel(socket));
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    continueWhenRead(request, response);
    onRequest(request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const error = serverErrors.expectation_failed({ headers: { connection: 'close' } });
    pipelining.inTurn(response, () => refuse(request, response, error));
  });

  function refuse(request: IncomingMessage, response: ServerResponse, error: LoadstoneError) {
    const { trace, span } = deps.tracer.begin(traceparentOf(request), request.method ?? '', 'server');
    span.end();
    writeProblem(response, error, trace, { headers: corsHeaders(request) });
  }

  /** Node takes its hands off the socket of a CONNECT. */
  function refuseTunnel(socket: Socket): void {
    const traceparent = deps.tracer.traceparent(undefined);
    const error = serverErrors.method_not_allowed({
      detail: 'this server is no proxy',
      headers: { allow: '' },
    });
    socket.on('error', () => socket.destroy());
    closeSlowly(socket, deps.clock);
    socket.write(rawProblem(error, { traceId: traceparent.slice(3, 35), traceparent }));
    socket.destroySoon();
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (silent.size > 0) silent.delete(request.socket);
    if (pipelining.isBehind()) pipelining.inTurn(response, () => take(request, response));
    else take(request, response);
  }

  function take(request: IncomingMessage, response: ServerResponse): void {
    const { headers } = request;
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
      boundUnreadBody(request, response, () => closeSlowly(request.socket, deps.clock));
    }
    const misframed = findMisframed(request);
    if (misframed !== undefined) {
      refuse(request, response, misframed);
      return;
    }
    if (state === 'draining') response.shouldKeepAlive = false;
    if (handler === undefined || state === 'starting') {
      refuse(request, response, serverErrors.starting({ retryAfterS: 1 }));
      return;
    }
    if (request.url?.[0] !== '/') request.url = originForm(request.url ?? '');
    handler(request, response);
  }

  function bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => reject(bindError(options.listen, cause)));
      // Without the signal of the start: node would close the server whenever that aborts, however late.
      server.listen({ host: wanted.host, port: wanted.port, backlog: 1024 }, () => {
        const address = server.address();
        if (address !== null && typeof address === 'object') bound = { ...wanted, port: address.port };
        resolve();
      });
    });
  }

  /**
   * A client cannot know that its connection is being closed: what it has sent by then is lost. So for a while idle
   * connections are left to clients, who are told by the next answer; only those that stay idle are closed.
   */
  async function drain(deadline: AbortSignal): Promise<void> {
    state = 'draining';
    if (http.drainDelayMs > 0) await sleep(deps.clock, http.drainDelayMs, deadline).catch(() => {});
    let isClosed = false;
    const closed = stopListening(server).then(() => {
      isClosed = true;
    });
    await Promise.race([closed, sleep(deps.clock, http.drainIdleMs, deadline).catch(() => {})]);
    // Connections fall idle one by one as their requests finish; node closes only those idle at the call.
    while (!isClosed && !deadline.aborted) {
      server.closeIdleConnections();
      for (const socket of silent) if (socket.bytesRead === 0) socket.destroy();
      await Promise.race([closed, sleep(deps.clock, IDLE_SWEEP_MS, deadline).catch(() => {})]);
    }
    if (!isClosed) deps.onCutOff();
    server.closeAllConnections();
    await closed;
    // Ends what node does in the background for a server that has connections.
    server.close();
  }

  return {
    setHandler(next) {
      handler = next;
    },
    isDraining: () => state === 'draining',
    address: () => bound,
    port: createLifecycle('port', {
      async start() {
        await bind();
        state = handler === undefined ? 'starting' : 'serving';
      },
      async stop(deadline) {
        if (state !== 'closed') await drain(deadline);
        state = 'closed';
      },
    }),
    front: createLifecycle('http', {
      async start() {
        state = 'serving';
      },
      async stop(deadline) {
        const bounded = createDeadline(deps.clock, http.drainDelayMs + http.drainTimeoutMs, deadline);
        await drain(bounded.signal);
        bounded.done();
        state = 'closed';
      },
      health: (): Health =>
        state === 'serving' ? { status: 'ok' } : { status: 'failing', reason: 'the server is stopping' },
    }),
  };
}

/**
 * No more connections are taken; those that wait in the kernel's queue are another process's if it shares the socket.
 * Not `server.close`: that closes idle connections in the same breath, and with them requests that are on their way.
 */
function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => void NetServer.prototype.close.call(server, () => resolve()));
}

function bindError(listen: string, cause: Error): Error {
  return serverErrors.address_in_use({ detail: `cannot listen on ${listen}: ${describeBind(cause)}`, cause });
}

function describeBind(cause: NodeJS.ErrnoException): string {
  if (cause.code === 'EADDRINUSE')
    return 'another process listens there; stop it or choose another with --listen HOST:PORT';
  if (cause.code === 'EACCES')
    return 'this user may not listen there; choose a port above 1023 with --listen HOST:PORT';
  if (cause.code === 'EADDRNOTAVAIL') return 'this machine does not have that address';
  return describeError(cause);
}
