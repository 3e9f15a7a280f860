/**
 * Events read within a bound of number and bytes, wherever they are: rows as Postgres gives them, and whether they are all.
 */
import type { JsonValue } from '#base/values/json';
import type { StreamEvent } from './event.ts';

/** An event that may still wait in the outbox, and so has no place in the log yet. */
export type UnplacedEvent = Omit<StreamEvent, 'position' | 'partition'>;

export interface EventsRead<Event = StreamEvent> {
  events: Event[];
  /** Whether there are no more. */
  isWhole: boolean;
}

export interface ReadBound {
  eventsMax: number;
  /** Of payload. One event is always read, if there is any. */
  bytesMax: number;
}

export interface BoundedRow {
  event_id: string;
  workspace_id: string;
  bucket: number;
  type: string;
  key: string;
  payload: JsonValue;
  created_at: Date;
  traceparent: string | null;
  /** How many there were before those past `bytesMax` were cut off. */
  found: number;
}

/** A row as an event. */
export function toUnplacedEvent(row: BoundedRow): UnplacedEvent {
  return {
    id: row.event_id,
    workspaceId: row.workspace_id,
    bucket: row.bucket,
    type: row.type,
    key: row.key,
    payload: row.payload,
    createdAt: row.created_at,
    traceparent: row.traceparent ?? undefined,
  };
}

/** Whether the rows are all there are: neither bound has cut any off. */
export function isWholeRead(rows: readonly BoundedRow[], eventsMax: number): boolean {
  const found = rows[0]?.found ?? 0;
  return rows.length === found && found < eventsMax;
}
