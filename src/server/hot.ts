/**
 * What hot paths share with the API without its framework: trace, problems, a sampled access log line.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '#base/clock';
import type { Log } from '#base/log';
import type { Signals } from '#base/signals';
import type { Tracer } from '#base/trace';
import type { HotDeps } from '#blocks/system';
import type { AccessSamples } from './access-samples.ts';
import { isRead, type Pages } from './pages.ts';
import { toLoadstoneError, writeProblem } from './problem.ts';
import { traceparentOf } from './traceparent.ts';

export function createHotDeps(deps: {
  clock: Clock;
  log: Log;
  signals: Signals;
  tracer: Tracer;
  samples: AccessSamples;
  pages: Pages;
}): HotDeps {
  const { pages, samples } = deps;
  const refusals = deps.signals.counter('loadstone_hot_refusals_total', {
    help: 'Answers of hot paths that refuse or fail, by status',
    labels: ['status'],
  });

  function line(
    request: IncomingMessage,
    status: number,
    startedMs: number,
    traceparent: string,
    more: { sampledEvery?: number; leftOut?: number; code?: string },
  ): void {
    deps.log.info({
      traceId: traceparent.slice(3, 35),
      spanId: traceparent.slice(36, 52),
      method: request.method,
      route: '/{code}',
      status,
      latencyMs: deps.clock.nowMs() - startedMs,
      ...more,
    });
  }

  return {
    traceparent: (request) => deps.tracer.traceparent(traceparentOf(request)),
    tracestate: (request) => deps.tracer.tracestate(traceparentOf(request)),
    sendProblem(request, response, error, startedMs, text) {
      const coded = toLoadstoneError(error);
      const parent = traceparentOf(request);
      const traceparent = deps.tracer.traceparent(parent);
      const traceId = traceparent.slice(3, 35);
      const page = pages.problem(request, coded, traceId, text);
      const varies = { headers: { vary: 'Accept' } };
      const trace = { traceId, traceparent, tracestate: deps.tracer.tracestate(parent) };
      writeProblem(response, coded, trace, page ?? (isRead(request) ? varies : {}));
      refusals.inc({ status: coded.status });
      const sampled = samples.anonymous(coded.status);
      if (!sampled) return;
      if (coded.status >= 500 && !coded.retryable) deps.log.error({ err: error, traceId }, coded.title);
      line(request, coded.status, startedMs, traceparent, { ...sampled, code: coded.code });
    },
    answered(request, status, startedMs, traceparent) {
      const sampled = samples.redirect();
      if (sampled) line(request, status, startedMs, traceparent, sampled);
    },
  };
}
