/**
 * What carries out the jobs of a system.
 */

import type { Log } from '#base/log';
import type { JsonValue } from '#base/values/json';
import type { MutationTx, SetRule } from '#blocks/mutation';
import type { DefinedQueue, Job } from '#blocks/queue';
import type { MutationPlacement } from './route.ts';

/** What the server knows about an attempt at a job besides the job. */
export interface JobContext {
  /** Of whoever enqueued it, or a new one. */
  traceId: string;
  /** For a request that the attempt makes to elsewhere: `traceparent`. */
  traceHeaders: Readonly<Record<string, string>>;
  /** Its lines carry the trace id and the job. */
  log: Log;
  /**
   * The one way to write, in the job's workspace. An attempt may be repeated after its transaction was committed: the rule
   * must see that it has been run.
   * @param place may name another workspace: for a job of the server itself, as that of a sweep
   */
  mutate<T>(
    placement: MutationPlacement & { workspaceId?: string },
    rule: (tx: MutationTx) => Promise<T>,
  ): Promise<T>;
  /** The same for a rule that is written for many calls at once, so that jobs that run at once travel together. */
  mutateInSet<Input, Value, Found>(
    placement: MutationPlacement & { workspaceId?: string },
    rule: SetRule<Input, Value, Found>,
    input: Input,
  ): Promise<Value>;
}

export interface JobWork<Payload = JsonValue> {
  /** Jobs that one process runs at once. */
  concurrency: number;
  /** As the queue's handler: at least once; what it returns is kept with the job, what it throws is tried again. */
  handle(job: Job<Payload>, context: JobContext): Promise<JsonValue> | Promise<void>;
}

/** A queue, and who carries out its jobs as they are stored. */
export interface HandledQueue extends JobWork {
  readonly queue: DefinedQueue;
}

/** Joins a queue with what carries out its jobs: their payloads are checked, and upgraded, before it is asked. */
export function handleQueue<Payload>(queue: DefinedQueue<Payload>, work: JobWork<Payload>): HandledQueue {
  const { concurrency } = work;
  return { queue, concurrency, handle: (job, context) => work.handle(queue.read(job), context) };
}
