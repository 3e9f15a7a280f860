/**
 * A system's request as it goes over the wire.
 */
import type { LoadRequest } from '#blocks/load';
import type { DrillRequest } from '#blocks/system';

/** Pure. @param idempotencyKey of a creation */
export function toLoadRequest(
  { method, path, headers, body, isPublic }: DrillRequest,
  { rootKey, idempotencyKey }: { rootKey: string; idempotencyKey?: string | undefined },
): LoadRequest {
  return {
    ...{ method, path },
    headers: {
      ...(isPublic ? {} : { authorization: `Bearer ${rootKey}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}
