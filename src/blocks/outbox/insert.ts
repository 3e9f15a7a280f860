/**
 * Events into the outbox, within the transaction that writes the rows they tell of.
 */
import assert from 'node:assert/strict';
import { isConstraintViolation, type Queryable, sql } from '#blocks/database';
import { bucketOfKey, type JsonValue, streamErrors } from '#blocks/stream';
import { outboxErrors } from './errors.ts';

/** What a transaction wants to tell. */
export interface NewEvent {
  /** Declared at the start of the program (`streams.declare`). */
  readonly stream: string;
  /** Such as `link.created`: 1 to 100 characters. */
  readonly type: string;
  /** Events of one workspace and key stay in order: the id of the aggregate, 1 to 255 characters. */
  readonly key: string;
  /** At most 256 KiB as JSON. */
  readonly payload: JsonValue;
}

/** Where the rows are that the events tell of. */
export interface EventPlace {
  readonly workspaceId: string;
  readonly bucket: number;
}

export const PAYLOAD_BYTES_MAX = 262_144;
const EVENTS_MAX = 1000;
const TYPE_LENGTH_MAX = 100;
const KEY_LENGTH_MAX = 255;

function assertText(what: string, text: string, lengthMax: number): void {
  const fits = text.length > 0 && text.length <= lengthMax && !text.includes('\0');
  assert(
    fits,
    `the ${what} of an event has 1 to ${lengthMax} characters, none of them NUL: ${JSON.stringify(text)}`,
  );
}

/** @throws event_too_large */
function writePayload({ type, payload }: NewEvent): { text: string; bytes: number } {
  const text: string | undefined = JSON.stringify(payload);
  assert(text !== undefined, `the payload of ${type} is no JSON value`);
  const bytes = Buffer.byteLength(text);
  if (bytes <= PAYLOAD_BYTES_MAX) return { text, bytes };
  throw outboxErrors.event_too_large({ detail: `the payload of ${type} has ${bytes} bytes` });
}

/**
 * One statement for all events, with ids made here, so that nothing has to wait for its answer but the commit. What is
 * wrong with an event is thrown before anything is sent.
 * @throws event_too_large; in the promise stream_unknown
 */
export function insertEvents(
  tx: Queryable,
  { workspaceId, bucket }: EventPlace,
  events: readonly NewEvent[],
  made: { ids: readonly string[]; nowMs: number; traceparent: string | undefined },
): Promise<void> {
  assert(events.length <= EVENTS_MAX, `one transaction writes at most ${EVENTS_MAX} events`);
  const payloads = events.map(writePayload);
  for (const { type, key } of events) {
    assertText('type', type, TYPE_LENGTH_MAX);
    assertText('key', key, KEY_LENGTH_MAX);
  }
  // `seq` is drawn row by row above the sorted rows, so it grows in the order of the events. A stream that is not there
  // gives no stream_id, and that is against a constraint: the commit that may follow in the same burst fails.
  const inserted = tx.run(sql`
    insert into core.outbox (event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key,
      traceparent, payload)
    select event.id, ${workspaceId}, ${new Date(made.nowMs)}, streams.stream_id, event.bytes,
      event.key_bucket % coalesce(streams.partitions, 1), ${bucket}, event.type, event.key,
      ${made.traceparent ?? null}, event.payload::json
    from unnest(${made.ids}::bigint[], ${events.map(({ stream }) => stream)}::text[],
      ${events.map(({ key }) => bucketOfKey(workspaceId, key))}::integer[], ${payloads.map(({ bytes }) => bytes)}::integer[],
      ${events.map(({ type }) => type)}::text[], ${events.map(({ key }) => key)}::text[],
      ${payloads.map(({ text }) => text)}::text[])
      with ordinality as event (id, stream, key_bucket, bytes, type, key, payload, place)
    left join core.streams on streams.name = event.stream
    order by event.place`);
  return inserted.then(
    () => {},
    (error: unknown) => {
      if (!isConstraintViolation(error, 'outbox_stream_known')) throw error;
      const names = [...new Set(events.map(({ stream }) => stream))].join(', ');
      throw streamErrors.stream_unknown({
        detail: `not declared, or not all of them: ${names}`,
        cause: error,
      });
    },
  );
}
