/**
 * One call on its way through sets: what it asks for, what its rule has made for it so far, and how its caller is answered.
 */
import assert from 'node:assert/strict';
import { isLoadstoneError, type LoadstoneError } from '#base/errors';
import type { Tracer } from '#base/trace';
import type { IdempotentRequest, Outcome } from '#blocks/idempotency';
import { checkEvent } from '#blocks/outbox';
import { assertMadeJob, type PreparedJob, type Queue } from '#blocks/queue';
import { assertMadeEvent, type NewEvent } from '#blocks/stream';
import { createOrigin, type Origin } from './origin.ts';
import type { Mutation, MutationResult } from './request.ts';
import type { SetCall, SetRule } from './set-rule.ts';
import type { Telling } from './settled.ts';

/** A rule whose types do not matter any more. */
export type AnyRule = SetRule<unknown, unknown, unknown>;

export interface Call {
  readonly mutation: Mutation;
  readonly bucket: number;
  /** Of the body that it came with. */
  readonly bytes: number;
  /** Undefined when it carries no key. */
  readonly request: IdempotentRequest | undefined;
  /** What it decides on, unique in the database. */
  readonly aggregate: string | undefined;
  readonly origin: Origin;
  /** What its rule is given. */
  readonly view: SetCall<unknown>;
  readonly toOutcome: (value: unknown) => Outcome;
  readonly telling: Telling;
  events: NewEvent[];
  jobs: PreparedJob[];
  /** Why it is refused whatever its rule says. */
  refusal: LoadstoneError | undefined;
  resolve(result: MutationResult): void;
  reject(error: unknown): void;
}

export interface CallDeps {
  tracer: Pick<Tracer, 'begin'>;
  queue: Pick<Queue, 'prepareJob' | 'release'>;
}

/** What a caller asks for. */
export interface Asked {
  mutation: Mutation;
  bucket: number;
  /** Undefined when it carries no key. */
  request: IdempotentRequest | undefined;
  input: unknown;
  toOutcome: (value: unknown) => Outcome;
  telling: Telling;
}

export function createCall(
  rule: AnyRule,
  asked: Asked,
  answer: Pick<Call, 'resolve' | 'reject'>,
  deps: CallDeps,
): Call {
  const { mutation, bucket, input } = asked;
  const { workspaceId } = mutation.placement;
  const aggregate = rule.aggregate?.(input);
  const origin = createOrigin(deps.tracer, mutation);
  const call: Call = {
    ...answer,
    mutation,
    request: asked.request,
    bucket,
    bytes: mutation.bytes ?? 0,
    aggregate: aggregate === undefined ? undefined : `${workspaceId} ${aggregate}`,
    origin,
    toOutcome: asked.toOutcome,
    telling: asked.telling,
    events: [],
    jobs: [],
    refusal: undefined,
    view: {
      input,
      workspaceId,
      bucket,
      publish(event) {
        assertMadeEvent(event);
        refusing(call, () => checkEvent(event));
        call.events.push(event);
      },
      enqueue(job) {
        assertMadeJob(job);
        const prepare = () => deps.queue.prepareJob(job, { workspaceId, bucket }, origin.traceparent());
        const prepared = refusing(call, prepare);
        if (prepared) call.jobs.push(prepared);
        return prepared?.jobId ?? '0';
      },
    },
  };
  return call;
}

/** What is refused for one call is that call's affair: its rule goes on with the others. */
function refusing<T>(call: Call, act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!isLoadstoneError(error)) throw error;
    call.refusal ??= error;
    return undefined;
  }
}

/** Drops what an attempt has made. */
export function forget(call: Call, { queue }: { queue: Pick<Queue, 'release'> }): void {
  queue.release(call.jobs);
  call.jobs = [];
  call.events = [];
}

/**
 * Jobs of different calls that have one unique key, of which one replaces the others: written together, those before it
 * would be gone without a trace. @returns the calls that have to go after the first one of their key
 */
export function replacedByOthers(calls: readonly Call[]): Set<Call> {
  const byKey = new Map<string, { calls: Set<Call>; replaces: boolean }>();
  for (const call of calls) {
    for (const { workspaceId, queue, uniqueKey, onDuplicate } of call.jobs) {
      if (uniqueKey === undefined) continue;
      const key = `${workspaceId} ${queue} ${uniqueKey}`;
      const known = byKey.get(key) ?? { calls: new Set(), replaces: false };
      known.calls.add(call);
      known.replaces ||= onDuplicate === 'replace';
      byKey.set(key, known);
    }
  }
  const later = [...byKey.values()].flatMap((each) => (each.replaces ? [...each.calls].slice(1) : []));
  return new Set(later);
}

export function assertVerdicts(rule: AnyRule, verdicts: readonly unknown[], calls: readonly unknown[]): void {
  assert.equal(verdicts.length, calls.length, `${rule.name} gives a verdict for each call`);
}
