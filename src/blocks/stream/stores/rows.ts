/**
 * Rows of Postgres as the port's values.
 */
import type { JsonValue } from '#base/values/json';
import type { StreamEvent } from '../event.ts';

/** Postgres gives a bigint as text. */
export type Bigint = string;

export interface EventRow {
  position: Bigint;
  partition: number;
  event_id: Bigint;
  workspace_id: Bigint;
  bucket: number;
  type: string;
  key: string;
  /** Parsed by the driver. */
  payload: JsonValue;
  created_at: Date;
  traceparent: string | null;
}

export function toEvent(row: EventRow): StreamEvent {
  return {
    id: row.event_id,
    position: row.position,
    partition: row.partition,
    workspaceId: row.workspace_id,
    bucket: row.bucket,
    type: row.type,
    key: row.key,
    payload: row.payload,
    createdAt: row.created_at,
    traceparent: row.traceparent ?? undefined,
  };
}
