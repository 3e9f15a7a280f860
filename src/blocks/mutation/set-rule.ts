/**
 * A rule that is written for many calls at once. Calls that arrive while one set is on its way to Postgres travel together
 * in the next, in one transaction: one look-up of their Idempotency-Keys, the rule's statements over all of them, one insert
 * each of records, jobs and events, one COMMIT.
 *
 * A rule has up to two steps. `find` locks and reads what is decided on; it is sent together with the look-up of the keys.
 * `decide` gives a verdict for each call, in their order, and writes for those that are done; statements whose answers
 * decide nothing it hands to `tx.withCommit`, and they travel with the COMMIT. So a rule that decides in memory costs two round
 * trips, however many calls there are.
 *
 * Why lock first and decide in memory: in one statement over all calls, UPDATE … FROM takes one match for each row, ON
 * CONFLICT DO UPDATE fails on the second, and sibling CTEs do not see each other. Calls on one aggregate have to.
 */
import type { LoadstoneError } from '#base/errors';
import type { Queryable, Sql } from '#blocks/database';
import type { NewJob } from '#blocks/queue';
import type { NewEvent } from '#blocks/stream';

/**
 * `done`: what the call asked for is written. `refused`: nothing of it is, and its caller is told why. `held`: the row is
 * locked elsewhere; the call goes on in a later set, which waits for it.
 */
export type Verdict<Value> =
  | { kind: 'done'; value: Value }
  | { kind: 'refused'; error: LoadstoneError }
  | { kind: 'held' };

/** What the call asked for is written; the value is what its caller is told. */
export const done = <Value>(value: Value): Verdict<Value> => ({ kind: 'done', value });
/** Nothing of the call is written. */
export const refuse = (error: LoadstoneError): Verdict<never> => ({ kind: 'refused', error });
/** The row is locked elsewhere. */
export const held: Verdict<never> = { kind: 'held' };

/** One call of a set, as its rule sees it. */
export interface SetCall<Input> {
  readonly input: Input;
  readonly workspaceId: string;
  /** Goes into every row written for the call. */
  readonly bucket: number;
  /** Publishes an event with the call's rows; what is published for a call that is not done is dropped. */
  publish(event: NewEvent): void;
  /** Enqueues a job with the call's rows, and gives its id. What refuses the job refuses the call. */
  enqueue(job: NewJob): string;
}

/** The transaction of a set. */
export interface SetTx extends Queryable {
  readonly signal: AbortSignal;
  /**
   * How `find` locks rows (in the order of their primary keys): `for update skip locked`, so that a row locked elsewhere
   * keeps nobody else waiting; `for update` in a set of calls that were held before.
   */
  readonly lock: Sql;
  /** See `Transaction.withCommit`. */
  withCommit(sent: Promise<unknown>): void;
}

export interface SetRule<Input, Value, Found = void> {
  /** For metrics: `notes.add`. */
  readonly name: string;
  /**
   * What the call decides on, unique in its workspace. Calls on one aggregate are in one set, in the order in which they
   * came, or in sets one after the other. Undefined: on nothing that another call could decide on.
   */
  aggregate?(input: Input): string | undefined;
  /** May be given calls that turn out to be repetitions, and then are not decided. */
  find?(tx: SetTx, calls: readonly SetCall<Input>[]): Promise<Found>;
  /** A verdict for each call. May run more than once for a call, and must have no effect outside of the transaction. */
  decide(tx: SetTx, calls: readonly SetCall<Input>[], found: Found): Promise<readonly Verdict<Value>[]>;
}
