/**
 * A raw route: answered on plain `node:http`, past the framework, for what the framework is too slow for or in the way of.
 * It has a shape as other routes have, and is authenticated, traced, measured, logged and documented by it. What it is
 * sent is not validated, but for the body that it asks for.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Static, TObject, TSchema } from 'typebox';
import type { Principal } from '#blocks/identity';
import type { Access } from './access.ts';
import type { WhenPartitioned } from './defaults.ts';
import type { Method, RouteShape } from './route.ts';

export interface RawShape<P extends TObject = TObject, B extends TSchema = TSchema>
  extends Pick<
    RouteShape,
    | 'id'
    | 'summary'
    | 'description'
    | 'query'
    | 'headers'
    | 'replies'
    | 'replyHeaders'
    | 'errors'
    | 'consistency'
    | 'deprecated'
  > {
  /** `GET` means `HEAD` too. */
  method: Method;
  /**
   * Under a version of the API (`/v1/`), or outside of the server's own paths; parameters as `:name`. Whatever has a word
   * where this has a parameter comes first.
   */
  path: `/${string}`;
  /** Who may ask: see `Access`. */
  access: Access;
  /** Without the database it refuses, or answers from what it keeps, up to so old. Default: `refuse`. */
  whenPartitioned?: WhenPartitioned;
  params?: P;
  body?: B;
  /** Whether the address with a slash at its end is the same. */
  trailingSlash?: boolean;
}

/** Said by a handler that leaves the request to others, before it has begun to answer. */
export const PASS = 'pass';

/** One request, as a raw route has it. */
export interface RawCall<P extends TObject = TObject, B extends TSchema = TSchema> {
  /** A request without a body emits no `end` and no `close`: watch the response. */
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** From the path, decoded. */
  readonly params: Static<P>;
  /** Whose key it is; undefined where anyone may ask. */
  readonly principal: Principal | undefined;
  /** Read and validated before the handler runs, where the shape has one; else whatever comes is the handler's to read. */
  readonly body: Static<B>;
  traceparent(): string;
  /** Aborts at the request's deadline, or when the server has to stop. */
  signal(): AbortSignal;
  /**
   * Begins the answer, with the headers that every answer has behind its own.
   * @param headers names and values by turns; it is taken over
   */
  writeHead(status: number, headers: string[]): ServerResponse;
  /**
   * Answers with the error's problem document, or a page for a person (by `Accept`) outside of the API.
   * @param text what the page says in place of the error's own words
   */
  refuse(error: unknown, text?: { title: string; text: string }): void;
}

export type RawAnswer = void | typeof PASS | Promise<void>;

export interface RawRoute {
  shape: RawShape;
  answer(call: RawCall): RawAnswer;
}

/** Declares a raw route's shape. */
export function defineRaw<P extends TObject, B extends TSchema>(shape: RawShape<P, B>): RawShape<P, B> {
  return shape;
}

/**
 * Joins a shape with what answers it. A handler answers at once, or returns a promise, which the deadline ends; what it
 * throws is refused with.
 */
export function handleRaw<P extends TObject, B extends TSchema>(
  shape: RawShape<P, B>,
  answer: (call: RawCall<P, B>) => RawAnswer,
): RawRoute {
  return { shape, answer } as unknown as RawRoute;
}

/** Of the two kinds of routes. */
export function isRawRoute(route: object): route is RawRoute {
  return 'answer' in route;
}
