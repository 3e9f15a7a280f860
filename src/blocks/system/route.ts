/**
 * A route: its shape, from which validation, OpenAPI and the reference are made, and later its handler.
 */
import type { Static, TObject, TSchema } from 'typebox';
import type { ErrorFactory } from '#base/errors';
import type { Log } from '#base/log';
import type { JsonValue } from '#base/values/json';
import type { Consistency, Reader } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import type { MutationTx, SetRule, Settling } from '#blocks/mutation';
import type { Access } from './access.ts';
import { type Complete, completeShape } from './defaults.ts';
import type { Deprecation } from './deprecation.ts';
import type { Preconditions } from './preconditions.ts';

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
  A extends Access = Access,
  V extends Precondition = Precondition,
> = MethodShape & CommonShape<P, Q, B, A, V>;

/** `version`: what it answers has a version, which its `ETag` states and the caller's preconditions name. */
export type Precondition = 'version' | undefined;

interface CommonShape<
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  A extends Access,
  V extends Precondition,
> {
  /** Under the version of the API that it belongs to, `/v1/` to `/v9/`; parameters as `:name`. */
  path: `/v${number}/${string}`;
  /** A verb phrase, also the operation's id: `addNote`. */
  id: string;
  summary: string;
  description?: string;
  /** Who may ask: anyone, or whoever has the permission. A public route is not told of a principal, and writes nothing. */
  access: A;
  /**
   * `version`: replies that state their `version` have it as `ETag`. `If-Match` and `If-None-Match` are read into the
   * call's `preconditions`. A `GET` is evaluated by the server (304, 412); any other route heeds them in its rule, with
   * `requireVersion`, once the version is locked.
   */
  precondition?: V;
  params?: P;
  query?: Q;
  body?: B;
  /** Request headers that it heeds, by their names, for the reference: nothing checks them before the route does. */
  headers?: Readonly<Record<string, TSchema>>;
  /**
   * The body of each successful status; null for none. A schema here or below whose `title` is one word in capitals
   * (`Note`) is a type of that name to whoever generates a client; its `examples` are shown, and sent by the curl lines.
   */
  replies: Readonly<Record<number, TSchema | null>>;
  /** Headers of its successful answers, beyond those that every answer has, for the reference. */
  replyHeaders?: Readonly<Record<string, TSchema>>;
  /** The errors that the route's rule can give, for the reference. */
  errors?: readonly ErrorFactory[];
  /** Where it ends, or is to be called no more. */
  deprecated?: Deprecation;
  /** How fresh what it reads or returns is. Default: `strong`. */
  consistency?: Consistency;
  /** Without the database a route refuses. What serves stale answers has to keep them: that is for raw handlers. */
  whenPartitioned?: 'refuse';
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
  reader(): Reader;
  /**
   * The one way to write: runs `rule` in a transaction that also takes the events and jobs it makes. The rule gives a value
   * or refuses by an error, and knows nothing of HTTP; `toReply` makes the answer of its value, which is kept for the
   * request's Idempotency-Key. A call makes at most one mutation. See `Mutations.run` for what the rule must heed and
   * what is thrown.
   * @param settling whom to tell, once, what has become of it: for a cache of what the rule changes
   */
  mutate<Value, Change extends JsonValue = JsonValue>(
    placement: MutationPlacement,
    rule: (tx: MutationTx) => Promise<Value>,
    toReply: (value: Value) => Reply,
    settling?: Settling<Value, Change>,
  ): Promise<Reply>;
  /**
   * The same for a rule that is written for many calls at once: what arrives while a set of them is on its way to the
   * database travels together in the next. For rules that matter for throughput; see `SetRule`.
   */
  mutateInSet<Input, Value, Found, Change extends JsonValue = JsonValue>(
    placement: MutationPlacement,
    rule: SetRule<Input, Value, Found>,
    input: Input,
    toReply: (value: Value) => Reply,
    settling?: Settling<Value, Change>,
  ): Promise<Reply>;
}

/**
 * Where a mutation's rows go: into the bucket that is known (ids carry it), or that of `shardKey`. Where the request has an
 * Idempotency-Key, that decides instead of a `shardKey`, so that its repetition finds the record.
 */
export type MutationPlacement = { bucket: number } | { shardKey: string };

/** What a public route is told: nobody is known to call, so there is no principal, and nobody in whose name to write. */
export type PublicCallContext = Omit<CallContext, 'principal' | 'mutate' | 'mutateInSet'>;

/** A shape whose access is not known is treated as public: what it is not given it cannot misuse. */
export type ContextOf<A extends Access> = 'public' extends A ? PublicCallContext : CallContext;

export interface Call<
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  V extends Precondition = undefined,
> {
  params: Static<P>;
  query: Static<Q>;
  body: Static<B>;
  /** Request headers by lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What the caller asks of the version: only where the shape says `precondition: 'version'`. */
  preconditions: V extends 'version' ? Preconditions : undefined;
}

export interface Reply {
  status: number;
  body?: unknown;
  /** Of what it shows: the answer's `ETag`. */
  version?: number;
  headers?: Readonly<Record<string, string>>;
}

export interface Route {
  shape: Complete<RouteShape>;
  handle(
    call: Call<TObject, TObject, TSchema, Precondition>,
    context: PublicCallContext | CallContext,
  ): Promise<Reply>;
}

/** Declares a route's shape; its types follow from its schemas, its access and its precondition. */
export function defineRoute<
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  const A extends Access,
  V extends Precondition = undefined,
>(shape: RouteShape<P, Q, B, A, V>): Complete<RouteShape<P, Q, B, A, V>> {
  return completeShape(shape);
}

/** Joins a shape with what answers it. */
export function handleRoute<
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  A extends Access,
  V extends Precondition = undefined,
>(
  shape: RouteShape<P, Q, B, A, V>,
  handle: (call: Call<P, Q, B, V>, context: ContextOf<A>) => Promise<Reply>,
): Route {
  return { shape: completeShape(shape), handle } as unknown as Route;
}
