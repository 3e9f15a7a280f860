/**
 * A route's way to write: its reply, kept for the request's Idempotency-Key where the route takes one.
 */
import assert from 'node:assert/strict';
import { parseIdempotencyKey } from '#blocks/idempotency';
import type { Principal } from '#blocks/identity';
import type { KeyedRequest, Mutation, Mutations } from '#blocks/mutation';
import type { CallContext, MutationPlacement, Reply, RouteShape } from '#blocks/system';
import { toOutcome } from '../http/answer.ts';

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
  /** Of the body. */
  bytes: number;
  /** Told of the position of the commit. */
  onCommit: (position: string) => void;
}

function keyedOf({ shape, url, body, key: header, principal }: Asked): KeyedRequest | undefined {
  if (shape.method !== 'POST' || shape.idempotency !== 'transaction') return undefined;
  const key = parseIdempotencyKey(header);
  if (key === undefined) return undefined;
  return { keyId: principal.keyId, route: `${shape.method} ${shape.path}`, path: url, key, body };
}

const outcomeBy =
  <Value>(toReply: (value: Value) => Reply) =>
  (value: Value) =>
    toOutcome(toReply(value));

/** @throws idempotency_key_invalid, at once: also for a request whose rule would not write */
export function createMutate(
  asked: Asked,
  mutations: Mutations,
): Pick<CallContext, 'mutate' | 'mutateInSet'> {
  const keyed = keyedOf(asked);
  const { system, principal, traceparent, signal, onCommit, bytes } = asked;
  const { workspaceId } = principal;
  let isUsed = false;
  function begin(placement: MutationPlacement): Mutation {
    assert(!isUsed, 'a call makes one mutation: a second would find the record of the first');
    isUsed = true;
    const placed = keyed && 'shardKey' in placement ? { shardKey: keyed.key } : placement;
    return { placement: { system, workspaceId, ...placed }, keyed, traceparent, signal, bytes, onCommit };
  }
  return {
    async mutate(placement, rule, toReply, settling) {
      const { outcome } = await mutations.run(begin(placement), rule, outcomeBy(toReply), settling);
      return outcome;
    },
    async mutateInSet(placement, rule, input, toReply, settling) {
      const mutation = begin(placement);
      const { outcome } = await mutations.runInSet(mutation, rule, input, outcomeBy(toReply), settling);
      return outcome;
    },
  };
}
