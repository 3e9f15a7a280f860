/**
 * The record that a mutation's Idempotency-Key stands for.
 */
import type { Idempotency, IdempotentRequest } from '#blocks/idempotency';
import type { Mutation } from './request.ts';

/** Undefined for a mutation without a key. */
export function identify(
  idempotency: Pick<Idempotency, 'identify'>,
  { placement: { workspaceId }, keyed }: Mutation,
  bucket: number,
): IdempotentRequest | undefined {
  if (!keyed) return undefined;
  const { keyId, route, path, key, body } = keyed;
  return idempotency.identify({ workspaceId, keyId, route, key }, path, body, bucket);
}
