/**
 * What waits for the relay takes on disk, as a number for the planner; model.test.ts compares it with a real table.
 */
import { indexBytes, rowBytes } from '#blocks/database';

/** As core.outbox: place, ids, time, stream, lengths; a type such as `note.added`, a key of 19 digits, a traceparent. */
const FIXED_BYTES = 44 + 13 + 20 + 56;
const LONG_TEXT_HEADER_BYTES = 4;

/** Bytes of the outbox with `waiting` events: what an outage of the relay leaves, at most `outbox.lagMax` of them. */
export function backlogBytes(waiting: number, payloadBytes: number): number {
  const row = rowBytes(FIXED_BYTES, payloadBytes + LONG_TEXT_HEADER_BYTES);
  return waiting * (row + indexBytes(8, true));
}
