/**
 * What a journal can do, as numbers for the planner.
 */
import { FRAME_BYTES, RECORD_BYTES_CEILING } from './files/frames.ts';

export const journalLimits = {
  /** On disk, besides the record itself. */
  frameBytes: FRAME_BYTES,
  recordBytesMax: RECORD_BYTES_CEILING,
} as const;

/** How long a process takes records while the database is away, before it sheds. */
export function outageMs(bytesMax: number, recordsPerSecond: number, recordBytes: number): number {
  return (bytesMax / (recordsPerSecond * (FRAME_BYTES + recordBytes))) * 1000;
}
