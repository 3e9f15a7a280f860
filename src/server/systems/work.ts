/**
 * The systems' jobs as handlers of the queue: each attempt is a step of the trace that enqueued it.
 */
import type { Log } from '#base/log';
import { type Tracer, traceHeaders } from '#base/trace';
import type { Mutations } from '#blocks/mutation';
import type { Handler, Job } from '#blocks/queue';
import type { JobContext, JobWork } from '#blocks/system';

export interface WorkDeps {
  log: Log;
  tracer: Tracer;
  mutations: Mutations;
}

function mutateFor(job: Job, traceparent: string, system: string, { mutations }: WorkDeps) {
  const { workspaceId, signal } = job;
  type Placement = Parameters<JobContext['mutate']>[0];
  const workIn = (placement: Placement) => ({
    placement: { system, workspaceId, ...placement },
    traceparent,
    signal,
  });
  const ways: Pick<JobContext, 'mutate' | 'mutateInSet'> = {
    mutate: (placement, rule) => mutations.write(workIn(placement), rule),
    mutateInSet: (placement, rule, input) => mutations.writeInSet(workIn(placement), rule, input),
  };
  return ways;
}

/** @param system whose queue the job is in */
export function createJobHandler(system: string, work: JobWork, deps: WorkDeps): Handler {
  return async (job) => {
    const { queue, jobId, attempt } = job;
    const { trace, span } = deps.tracer.begin(job.traceparent, `job ${queue}`, 'consumer');
    const log = deps.log.child({ traceId: trace.traceId, spanId: trace.spanId, queue, jobId, attempt });
    try {
      const ways = mutateFor(job, trace.traceparent, system, deps);
      const context = { traceId: trace.traceId, traceHeaders: traceHeaders(trace), log, ...ways };
      return (await work.handle(job, context)) ?? null;
    } catch (error) {
      span.setAttribute('error.type', (error as { code?: string }).code ?? 'error');
      log.warn({ err: error }, 'an attempt at a job failed');
      throw error;
    } finally {
      span.end();
    }
  };
}
