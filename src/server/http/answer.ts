/**
 * From a route's reply to what is answered: the version as `ETag`, and whether a reader has it already.
 */
import assert from 'node:assert/strict';
import type { Outcome } from '#blocks/idempotency';
import {
  entityTag,
  evaluate,
  type Preconditions,
  type Reply,
  type RouteShape,
  requireVersion,
} from '#blocks/system';

/** What is kept for a repetition of the request is the answer with its tag. */
export function toOutcome({ status, version, headers = {}, body }: Reply): Outcome {
  const etag = version === undefined ? {} : { etag: entityTag(version) };
  return { status, headers: { ...headers, ...etag }, body };
}

/**
 * Preconditions are heeded here for a read alone: a write has to see the version that it locks, and so its rule does that.
 * @throws precondition_failed
 */
export function answerOf(
  shape: Pick<RouteShape, 'id' | 'method'>,
  reply: Reply,
  preconditions: Preconditions | undefined,
): Outcome {
  const outcome = toOutcome(reply);
  if (shape.method !== 'GET' || preconditions === undefined || reply.status >= 300) return outcome;
  const { version } = reply;
  assert(version !== undefined, `${shape.id} has a precondition, so its replies state their version`);
  if (evaluate(preconditions, version) === 'same') return { ...outcome, status: 304, body: undefined };
  requireVersion(preconditions, version);
  return outcome;
}
