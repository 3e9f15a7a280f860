/**
 * A route's way to write: its reply, kept for the request's Idempotency-Key where the route takes one.
 */
import assert from 'node:assert/strict';
import { parseIdempotencyKey } from '#blocks/idempotency';
import type { Principal } from '#blocks/identity';
import type { KeyedRequest, Mutations } from '#blocks/mutation';
import type { CallContext, RouteShape } from '#blocks/system';

/** One request, as far as its mutation is concerned. */
export interface Asked {
  /** The system whose route it is. */
  system: string;
  shape: RouteShape;
  /** Path and query, as they came. */
  url: string;
  body: unknown;
  key: string | string[] | undefined;
  principal: Principal;
  traceparent: string;
  signal: AbortSignal;
  /** Told of the position of the commit. */
  onCommit: (position: string) => void;
}

function keyedOf({ shape, url, body, key: header, principal }: Asked): KeyedRequest | undefined {
  if (shape.method !== 'POST' || shape.idempotency !== 'transaction') return undefined;
  const key = parseIdempotencyKey(header);
  if (key === undefined) return undefined;
  return { keyId: principal.keyId, route: `${shape.method} ${shape.path}`, path: url, key, body };
}

/** @throws idempotency_key_invalid, at once: also for a request whose rule would not write */
export function createMutate(asked: Asked, mutations: Mutations): CallContext['mutate'] {
  const keyed = keyedOf(asked);
  const { system, principal, traceparent, signal, onCommit } = asked;
  const { workspaceId } = principal;
  let isUsed = false;
  return async (place, rule) => {
    assert(!isUsed, 'a call makes one mutation: a second would find the record of the first');
    isUsed = true;
    const placed = keyed && 'shardKey' in place ? { shardKey: keyed.key } : place;
    const placement = { system, workspaceId, ...placed };
    const mutation = { placement, keyed, traceparent, signal, onCommit };
    const { outcome } = await mutations.run(mutation, async (tx) => {
      const { status, headers = {}, body } = await rule(tx);
      return { status, headers, body };
    });
    return outcome;
  };
}
