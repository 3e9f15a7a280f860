/**
 * What hot paths share with the API without its framework: trace, problems, a sampled access log line.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '#base/clock';
import type { Log } from '#base/log';
import type { Tracer } from '#base/trace';
import type { HotDeps } from '#blocks/system';
import { toLoadstoneError, writeProblem } from './problem.ts';
import { traceparentOf } from './traceparent.ts';

export function createHotDeps(
  options: { sampleEvery: number },
  deps: { clock: Clock; log: Log; tracer: Tracer },
): HotDeps {
  const { sampleEvery } = options;
  let count = 0;

  function line(
    request: IncomingMessage,
    status: number,
    startedMs: number,
    traceparent: string,
    more: { sampledEvery?: number; code?: string },
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
    sendProblem(request, response, error, startedMs) {
      const coded = toLoadstoneError(error);
      const traceparent = deps.tracer.traceparent(traceparentOf(request));
      const traceId = traceparent.slice(3, 35);
      if (coded.status >= 500 && !coded.retryable) deps.log.error({ err: error, traceId }, coded.title);
      writeProblem(response, coded, { traceId, traceparent });
      line(request, coded.status, startedMs, traceparent, { code: coded.code });
    },
    answered(request, status, startedMs, traceparent) {
      count += 1;
      if (count < sampleEvery || sampleEvery === 0) return;
      count = 0;
      line(request, status, startedMs, traceparent, { sampledEvery: sampleEvery });
    },
  };
}
