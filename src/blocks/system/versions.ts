/**
 * An older version of a route beside the newer one: `/v1/…` is answered by the handler of `/v2/…`, through steps that are
 * declared between their shapes, so that the handler exists once.
 */
import assert from 'node:assert/strict';
import type { Static, TObject, TSchema } from 'typebox';
import { listProblems } from '#base/options/schema';
import { compileSchema } from '#base/options/validate';
import type { Access } from './access.ts';
import type { Complete } from './defaults.ts';
import type { Deprecation } from './deprecation.ts';
import { systemErrors } from './errors.ts';
import type { Precondition, Route, RouteShape } from './route.ts';

/** From a value of one schema to one of another. Pure. */
export interface Step<From extends TSchema = TSchema, To extends TSchema = TSchema> {
  from: From;
  to: To;
  take(value: Static<From>): Static<To>;
}

/** A step whose types follow from its schemas. */
export function defineStep<From extends TSchema, To extends TSchema>(
  from: From,
  to: To,
  take: (value: Static<From>) => Static<To>,
): Step<From, To> {
  return { from, to, take };
}

// biome-ignore lint/suspicious/noExplicitAny: a step takes what its schema says, which differs from one to the next
type AnyStep = Step<any, any>;

export interface OlderVersion<Q extends TObject, B extends TSchema> {
  /** With the same parameters. */
  path: `/v${number}/${string}`;
  id: string;
  /** Default: the newer's. */
  summary?: string;
  description?: string;
  /** From the older to the newer; without one both take the same. */
  query?: Step<TObject, Q>;
  body?: Step<TSchema, B>;
  /** From the newer to the older, by status; without one both answer the same. */
  replies?: Readonly<Record<number, AnyStep>>;
  deprecated: Deprecation;
}

export interface Older {
  shape: Complete<RouteShape>;
  newer: Complete<RouteShape>;
  query: AnyStep | undefined;
  body: AnyStep | undefined;
  replies: Readonly<Record<number, AnyStep>>;
}

const parametersOf = (path: string) => path.match(/:[^/]+/g) ?? [];

/** Declares an older version of a route; `handleOlder` joins it with what answers the newer one. */
export function olderVersion<
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  A extends Access,
  V extends Precondition,
>(newer: Complete<RouteShape<P, Q, B, A, V>>, older: OlderVersion<Q, B>): Older {
  const { query, body, replies = {}, ...own } = older;
  const at = `${newer.id}, older version ${older.id}`;
  assert.deepEqual(
    parametersOf(older.path),
    parametersOf(newer.path),
    `${at}: the paths differ in parameters`,
  );
  assert(query === undefined || query.to === newer.query, `${at}: the step of the query leads elsewhere`);
  assert(body === undefined || body.to === newer.body, `${at}: the step of the body leads elsewhere`);
  for (const [status, step] of Object.entries(replies)) {
    const isItsOwn = step.from === newer.replies[Number(status)];
    assert(isItsOwn, `${at}: the step of the reply ${status} begins elsewhere`);
  }
  const written = Object.entries(replies).map(([status, step]) => [status, step.to as TSchema] as const);
  const shape = {
    ...newer,
    ...own,
    ...(query ? { query: query.from } : {}),
    ...(body ? { body: body.from } : {}),
    replies: { ...newer.replies, ...Object.fromEntries(written) },
  };
  const completed = shape as unknown as Complete<RouteShape>;
  return { query, body, replies, shape: completed, newer: newer as unknown as Complete<RouteShape> };
}

/** Takes a value over into the newer version, which may allow less. @throws version_unfit */
function createTake(step: AnyStep | undefined, prefix: string): (value: unknown) => unknown {
  if (step === undefined) return (value) => value;
  const validator = compileSchema(step.to);
  return (value) => {
    const taken = step.take(value);
    const problems = listProblems(step.to, taken, validator);
    if (problems.length === 0) return taken;
    const errors = problems.map(({ pointer, detail }) => ({
      pointer: prefix === '' ? pointer : `${prefix}${pointer.slice(1)}`,
      detail,
    }));
    throw systemErrors.version_unfit({ errors });
  };
}

/** @param route the newer version */
export function handleOlder(older: Older, route: Route): Route {
  const { shape, newer, replies } = older;
  assert(route.shape === newer, `${shape.id} is an older version of ${newer.id}, not of ${route.shape.id}`);
  const takeQuery = createTake(older.query, '?');
  const takeBody = createTake(older.body, '');
  return {
    shape,
    async handle(call, context) {
      const query = takeQuery(call.query) as typeof call.query;
      const reply = await route.handle({ ...call, query, body: takeBody(call.body) }, context);
      const step = replies[reply.status];
      return step === undefined ? reply : { ...reply, body: step.take(reply.body) };
    },
  };
}
