/**
 * A route: its shape, from which validation, OpenAPI and the reference are made, and later its handler.
 */
import type { Static, TObject, TSchema } from 'typebox';
import type { ErrorFactory } from '#base/errors';
import type { Log } from '#base/log';
import type { Consistency, Queryable } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import type { MutationTx, SetRule } from '#blocks/mutation';
import type { Deprecation } from './deprecation.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * What a repeated POST does. `transaction`: with an `Idempotency-Key` it is answered as the first one was. `natural`: the
 * same as once, by what it does. `none`: it happens again.
 */
export type Repetition = 'transaction' | 'natural' | 'none';

/** A POST says what its repetition does; the other methods are idempotent by their meaning (RFC 9110, 9.2.2). */
type MethodShape = { method: 'POST'; idempotency: Repetition } | { method: Exclude<Method, 'POST'> };

export type RouteShape<
  P extends TObject = TObject,
  Q extends TObject = TObject,
  B extends TSchema = TSchema,
> = MethodShape & CommonShape<P, Q, B>;

interface CommonShape<P extends TObject, Q extends TObject, B extends TSchema> {
  /** Under the version of the API that it belongs to, `/v1/` to `/v9/`; parameters as `:name`. */
  path: `/v${number}/${string}`;
  /** A verb phrase, also the operation's id: `createLink`. */
  id: string;
  summary: string;
  description?: string;
  params?: P;
  query?: Q;
  body?: B;
  /** Request headers that it heeds, by their names, for the reference: nothing checks them before the route does. */
  headers?: Readonly<Record<string, TSchema>>;
  /**
   * The body of each successful status; null for none. A schema here or below whose `title` is one word in capitals
   * (`Link`) is a type of that name to whoever generates a client; its `examples` are shown, and sent by the curl lines.
   */
  replies: Readonly<Record<number, TSchema | null>>;
  /** Headers of its successful answers, beyond those that every answer has, for the reference. */
  replyHeaders?: Readonly<Record<string, TSchema>>;
  /** The errors that the route's rule can give, for the reference. */
  errors?: readonly ErrorFactory[];
  /** Where it ends, or is to be called no more. */
  deprecated?: Deprecation;
  /** How fresh what it reads or returns is. */
  consistency: Consistency;
  /** What it does when the database cannot be reached. */
  whenPartitioned: 'refuse' | { staleMsMax: number };
}

/** What the server knows about a call besides its input. */
export interface CallContext {
  principal: Principal;
  /** Aborts at the request's deadline or when the server has to stop. */
  signal: AbortSignal;
  traceId: string;
  /** For a request that the call makes to elsewhere: `traceparent`, and the caller's `tracestate` if there is one. */
  traceHeaders: Readonly<Record<string, string>>;
  log: Log;
  /**
   * Reads with the consistency that the route declares: at `session`, a caller that sends back what its last write was
   * answered with sees that write.
   */
  reader(): Queryable;
  /**
   * The one way to write: runs `rule` in a transaction that also takes the events and jobs it makes, and keeps its reply
   * for the request's Idempotency-Key. A call makes at most one. See `Mutations.run` for what the rule must heed and
   * what is thrown.
   */
  mutate(place: MutationPlace, rule: (tx: MutationTx) => Promise<Reply>): Promise<Reply>;
  /**
   * The same for a rule that is written for many calls at once: what arrives while a set of them is on its way to the
   * database travels together in the next. For rules that matter for throughput; see `SetRule`.
   */
  mutateInSet<Input, Value, Found>(
    place: MutationPlace,
    rule: SetRule<Input, Value, Found>,
    input: Input,
    toReply: (value: Value) => Reply,
  ): Promise<Reply>;
}

/**
 * Where a mutation's rows go: into the bucket that is known (ids carry it), or that of `shardKey`. Where the request has an
 * Idempotency-Key, that decides instead of a `shardKey`, so that its repetition finds the record.
 */
export type MutationPlace = { bucket: number } | { shardKey: string };

export interface Call<P extends TObject, Q extends TObject, B extends TSchema> {
  params: Static<P>;
  query: Static<Q>;
  body: Static<B>;
  /** Request headers by lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Reply {
  status: number;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
}

export interface Route {
  shape: RouteShape;
  handle(call: Call<TObject, TObject, TSchema>, context: CallContext): Promise<Reply>;
}

/** Declares a route's shape; its types follow from its schemas. */
export function defineRoute<P extends TObject, Q extends TObject, B extends TSchema>(
  shape: RouteShape<P, Q, B>,
): RouteShape<P, Q, B> {
  return shape;
}

/** Joins a shape with what answers it. */
export function handleRoute<P extends TObject, Q extends TObject, B extends TSchema>(
  shape: RouteShape<P, Q, B>,
  handle: (call: Call<P, Q, B>, context: CallContext) => Promise<Reply>,
): Route {
  return { shape, handle } as unknown as Route;
}
