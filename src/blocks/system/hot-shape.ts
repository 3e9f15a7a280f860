/**
 * The shape of what a hot path answers: it skips the framework, so that nothing is validated by it; OpenAPI and the
 * reference are made from it as from a route's.
 */
import type { Access } from './access.ts';
import type { Method, RouteShape } from './route.ts';

export interface HotShape
  extends Pick<
    RouteShape,
    | 'id'
    | 'summary'
    | 'description'
    | 'params'
    | 'query'
    | 'headers'
    | 'replies'
    | 'replyHeaders'
    | 'errors'
    | 'consistency'
  > {
  /** `GET` means `HEAD` too. */
  method: Method;
  /** Outside of the server's own paths; parameters as `:name`. */
  path: `/${string}`;
  /** Who may ask: see `Access`. */
  access: Access;
  /** Without the database it refuses, or answers from what it keeps, up to so old. Default: `refuse`. */
  whenPartitioned?: 'refuse' | { staleMsMax: number };
}
