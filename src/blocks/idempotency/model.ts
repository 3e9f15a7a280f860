/**
 * What kept answers take on disk, as numbers for the planner, from the columns of core.idempotency_records; model.test.ts
 * compares them with a real table.
 */
import { indexBytes, rowBytes } from '#blocks/database';

const HASH_BYTES = 33;
const FIXED_BYTES = 2 * HASH_BYTES + 8 + 2 + 8;
const LONG_BYTES_HEADER = 4;
/** Version, initialisation vector and tag of a sealed answer, and `{"status":201,"headers":{…},"body":…}` around it. */
const SEAL_BYTES = 29;
const ENVELOPE_BYTES = 90;

/** Bytes that the answer to one Idempotency-Key takes, with its indexes, until its retention is over. */
export function recordBytes(answerBytes: number): number {
  const sealed = answerBytes + SEAL_BYTES + ENVELOPE_BYTES + LONG_BYTES_HEADER;
  return rowBytes(FIXED_BYTES, sealed) + indexBytes(HASH_BYTES, false) + indexBytes(8, true);
}
