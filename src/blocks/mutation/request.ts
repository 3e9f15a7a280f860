/**
 * One mutation as it is asked for, and what it comes to.
 */
import type { Placement } from '#blocks/database';
import type { Outcome } from '#blocks/idempotency';

/** A request that carries an Idempotency-Key. */
export interface KeyedRequest {
  keyId: string;
  /** Method and path pattern. */
  route: string;
  path: string;
  key: string;
  body: unknown;
}

export interface Mutation {
  placement: Placement;
  /** Undefined when the caller sent no key, or the route takes none. */
  keyed: KeyedRequest | undefined;
  traceparent: string | undefined;
  signal: AbortSignal;
  /** Of the request's body: what a set holds is bounded. Default: 0. */
  bytes?: number;
  /** See `TransactOptions`; told of a replayed outcome as well. */
  onCommit?: (position: string) => void;
}

export interface MutationResult {
  outcome: Outcome;
  /** Whether the outcome is that of an earlier, equal request; its headers say so too. */
  isReplayed: boolean;
}
