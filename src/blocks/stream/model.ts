/**
 * What events take on disk, as numbers for the planner, from the columns of core.stream_events; model.test.ts compares them
 * with a real log.
 */
import { indexBytes, rowBytes } from '#blocks/database';

/** Position, ids, time, stream, lengths, places; a type such as `note.added`, a key of 19 digits, a traceparent. */
const FIXED_BYTES = 44 + 13 + 20 + 56;
const KEY_BYTES = 20;
const LONG_TEXT_HEADER_BYTES = 4;

/** Bytes that an event with a payload of `payloadBytes` takes in the log, with its indexes. */
export function eventBytes(payloadBytes: number): number {
  const byPartition = indexBytes(4 + 4 + 8, true);
  const byKey = indexBytes(4 + 4 + 8 + KEY_BYTES + 4 + 8, false);
  return rowBytes(FIXED_BYTES, payloadBytes + LONG_TEXT_HEADER_BYTES) + byPartition + byKey;
}
