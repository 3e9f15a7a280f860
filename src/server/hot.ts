/**
 * What hot paths share with the API without its framework: trace, problems, a sampled access log line.
 */
import type { Clock } from '#base/clock';
import type { Log } from '#base/log';
import type { HotDeps } from '#blocks/system';
import { toLoadstoneError, writeProblem } from './problem.ts';
import type { Tracer } from './trace.ts';

export function createHotDeps(
  options: { sampleEvery: number },
  deps: { clock: Clock; log: Log; tracer: Tracer },
): HotDeps {
  const { sampleEvery } = options;
  let count = 0;

  function line(method: string | undefined, status: number, startedMs: number, traceparent: string): void {
    deps.log.info({
      traceId: traceparent.slice(3, 35),
      spanId: traceparent.slice(36, 52),
      method,
      route: '/{code}',
      status,
      latencyMs: deps.clock.nowMs() - startedMs,
      sampledEvery: sampleEvery,
    });
  }

  return {
    traceparent: deps.tracer.traceparent,
    sendProblem(request, response, error) {
      const coded = toLoadstoneError(error);
      const traceparent = deps.tracer.traceparent(request);
      const traceId = traceparent.slice(3, 35);
      if (coded.status >= 500) deps.log.error({ err: error, traceId, route: '/{code}' }, coded.title);
      writeProblem(response, coded, { traceId, traceparent });
    },
    answered(request, status, startedMs, traceparent) {
      count += 1;
      if (count < sampleEvery || sampleEvery === 0) return;
      count = 0;
      line(request.method, status, startedMs, traceparent);
    },
  };
}
