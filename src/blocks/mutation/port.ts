/**
 * What mutations are to those who ask for them.
 */
import type { JsonValue } from '#base/values/json';
import type { Queryable } from '#blocks/database';
import type { Outcome } from '#blocks/idempotency';
import type { NewJob } from '#blocks/queue';
import type { NewEvent } from '#blocks/stream';
import type { Mutation, MutationResult } from './request.ts';
import type { SetRule } from './set-rule.ts';
import type { Settling } from './settled.ts';

/** The transaction as a rule sees it. */
export interface MutationTx extends Queryable {
  /** The placement's logical bucket: goes into every row written. */
  readonly bucket: number;
  readonly signal: AbortSignal;
  /**
   * Publishes an event, as its definition makes it, with the rows. Write the row of the aggregate before: its lock keeps the order per key.
   * @throws event_too_large, when the rule has ended
   */
  publish(event: NewEvent): void;
  /** Enqueues a job, as its queue makes it, with the rows, and gives its id. @throws queue_unknown, queue_full, job_invalid, job_too_large */
  enqueue(job: NewJob): string;
}

export interface Mutations {
  /**
   * Runs `rule` in a transaction and commits. The rule may run more than once (a conflict, an equal request that was
   * completed in between) and must have no effect outside the transaction. What it throws undoes all that
   * it has done and frees the request's key, whatever it is: only a reply is kept.
   * @param toOutcome what is answered for the rule's value, and kept for the request's Idempotency-Key
   * @param settling whom to tell what has become of it; see settled.ts
   * @throws what the rule throws; idempotency_key_reused, idempotency_in_progress, outbox_full;
   *   database_unavailable, database_busy, database_conflict, outcome_unknown, deadline_exceeded
   */
  run<Value, Change extends JsonValue = JsonValue>(
    mutation: Mutation,
    rule: (tx: MutationTx) => Promise<Value>,
    toOutcome: (value: Value) => Outcome,
    settling?: Settling<Value, Change>,
  ): Promise<MutationResult>;
  /**
   * The same for a rule that is written for many calls at once: calls that arrive while a set of them is on its way travel
   * together in the next. A refusal is a value; a call that fails never fails its neighbours.
   * @param toOutcome as for `run`
   * @param settling as for `run`
   */
  runInSet<Input, Value, Found, Change extends JsonValue = JsonValue>(
    mutation: Mutation,
    rule: SetRule<Input, Value, Found>,
    input: Input,
    toOutcome: (value: Value) => Outcome,
    settling?: Settling<Value, Change>,
  ): Promise<MutationResult>;
  /** The same as `run` for work that no request asks for, such as a job's: gives what `rule` gives, and keeps nothing of it. */
  write<T>(work: Omit<Mutation, 'keyed'>, rule: (tx: MutationTx) => Promise<T>): Promise<T>;
  /** The same as `runInSet` for such work. */
  writeInSet<Input, Value, Found>(
    work: Omit<Mutation, 'keyed'>,
    rule: SetRule<Input, Value, Found>,
    input: Input,
  ): Promise<Value>;
}
