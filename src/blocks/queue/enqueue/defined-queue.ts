/**
 * Queues by their payloads: what makes their jobs, checked against the schema, and what reads them when they are carried
 * out, upgraded and checked again. Jobs stay over a deployment, so a payload says what version it is of.
 *
 * Version 1 is written as it is; a later one as `{"@version":2,"payload":…}`. So what was enqueued before there were versions
 * is of version 1, and no row takes a byte more.
 */
import assert from 'node:assert/strict';
import type { Static, TSchema } from 'typebox';
import { definePayload, type Versions } from '#base/options/payload';
import type { JsonValue } from '#base/values/json';
import type { QueueDefinition } from '../definition.ts';
import { queueErrors } from '../errors.ts';
import type { Handler, Job, UncheckedJob } from '../job.ts';
import type { Schedule } from '../maintenance/cron.ts';

/** On everything that a defined queue has made. */
export const MADE: unique symbol = Symbol('made by the definition of a queue');

/** What `enqueue` takes: a job that its queue has made (`queue.job`). */
export interface NewJob extends UncheckedJob {
  readonly [MADE]: true;
}

/** What a system declares: a schedule that its queue has made (`queue.schedule`). */
export interface DefinedSchedule extends Schedule {
  readonly [MADE]: true;
}

export type JobOptions = Omit<UncheckedJob, 'queue' | 'payload'>;

export interface ScheduleOptions<Payload> extends Omit<Schedule, 'queue' | 'payload'> {
  /** @param runAtMs the time that the pattern names */
  payload: (runAtMs: number) => Payload;
}

export type QueueSettings = Omit<QueueDefinition, 'name'> & Versions;

/** A queue with the payload of its jobs. */
export interface DefinedQueue<Payload = unknown> extends QueueDefinition {
  readonly schema: TSchema;
  readonly version: number;
  /** The job for `enqueue`. @throws job_payload_invalid */
  job(payload: Payload, options?: JobOptions): NewJob;
  /** The schedule for a system's declaration. */
  schedule(options: ScheduleOptions<Payload>): DefinedSchedule;
  /**
   * The job with its payload in the present version.
   * @throws job_payload_unreadable, which makes the job dead at once; job_version_unknown, which another attempt may not meet
   */
  read(job: Job): Job<Payload>;
}

const VERSION_KEY = '@version';

function writePayload(payload: JsonValue, version: number): JsonValue {
  return version === 1 ? payload : { [VERSION_KEY]: version, payload };
}

function isVersioned(payload: JsonValue): payload is { readonly [key: string]: JsonValue } {
  return typeof payload === 'object' && payload !== null && Object.hasOwn(payload, VERSION_KEY);
}

function readPayload(stored: JsonValue): { payload: JsonValue; version: number } {
  if (!isVersioned(stored)) return { payload: stored, version: 1 };
  const { [VERSION_KEY]: version, payload = null } = stored;
  return { payload, version: typeof version === 'number' ? version : Number.NaN };
}

/** Declares a queue. @param schema of its jobs' payloads; leave it open, as that of an event */
export function defineQueue<S extends TSchema>(
  name: string,
  schema: S,
  { version: wanted = 1, upgrades = {}, ...settings }: QueueSettings = {},
): DefinedQueue<Static<S>> {
  const payloads = definePayload(`queue ${name}`, schema, { version: wanted, upgrades });
  const { version } = payloads;

  function write(payload: Static<S>): JsonValue {
    if (!payloads.fits(payload))
      throw queueErrors.job_payload_invalid({ detail: `${name}: ${payloads.describeMisfit(payload)}` });
    if (isVersioned(payload))
      throw queueErrors.job_payload_invalid({ detail: `${name}: a payload has no field ${VERSION_KEY}` });
    return writePayload(payload, version);
  }

  function read(job: Job): Job<Static<S>> {
    const stored = readPayload(job.payload);
    const found = payloads.read(stored.payload, stored.version);
    if (found.kind === 'unknown_version') throw queueErrors.job_version_unknown({ detail: found.detail });
    if (found.kind === 'unreadable')
      throw queueErrors.job_payload_unreadable({ detail: found.detail, cause: found.cause });
    // Not a copy: a job makes its signal only for who asks for it.
    return Object.create(job, { payload: { value: found.payload, enumerable: true } });
  }

  return Object.freeze({
    ...settings,
    ...{ name, schema, version, read },
    job(payload: Static<S>, options: JobOptions = {}): NewJob {
      return { [MADE]: true, ...options, queue: name, payload: write(payload) };
    },
    schedule(options: ScheduleOptions<Static<S>>): DefinedSchedule {
      const { payload } = options;
      return { [MADE]: true, ...options, queue: name, payload: (runAtMs) => write(payload(runAtMs)) };
    },
  });
}

/** For callers without types. */
export function assertMadeJob(job: UncheckedJob): void {
  assert(MADE in job, `a job of ${job.queue} is not made by its queue: enqueue(queue.job(payload))`);
}

/** A handler of jobs as they are stored, of one that takes them as the queue's definition reads them. */
export function handlerOf<Payload>(
  queue: Pick<DefinedQueue<Payload>, 'read'>,
  handle: (job: Job<Payload>) => ReturnType<Handler>,
): Handler {
  return (job) => handle(queue.read(job));
}
