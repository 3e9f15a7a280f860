/**
 * Events into the outbox, within the transaction that writes the rows they tell of.
 */
import assert from 'node:assert/strict';
import { isConstraintViolation, jsonTexts, numbers, type Queryable, sql, texts } from '#blocks/database';
import { bucketOfKey, streamErrors, type UncheckedEvent } from '#blocks/stream';
import { outboxErrors } from './errors.ts';

/** Where the rows are that the events tell of. */
export interface EventPlacement {
  readonly workspaceId: string;
  readonly bucket: number;
}

export const PAYLOAD_BYTES_MAX = 262_144;
/** Of one transaction that one caller makes. */
export const EVENTS_MAX = 1000;
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
function writePayload({ type, payload }: UncheckedEvent): { text: string; bytes: number } {
  const text: string | undefined = JSON.stringify(payload);
  assert(text !== undefined, `the payload of ${type} is no JSON value`);
  const bytes = Buffer.byteLength(text);
  if (bytes <= PAYLOAD_BYTES_MAX) return { text, bytes };
  throw outboxErrors.event_too_large({ detail: `the payload of ${type} has ${bytes} bytes` });
}

/** Events of one caller, with the trace that they come from. */
export interface Told {
  place: EventPlacement;
  events: readonly UncheckedEvent[];
  traceparent: string | undefined;
}

/** An event that has been checked, with everything its row needs. */
interface Row extends EventPlacement {
  id: string;
  stream: string;
  keyBucket: number;
  bytes: number;
  type: string;
  key: string;
  traceparent: string | undefined;
  payload: string;
}

function writeRow(event: UncheckedEvent, { place, traceparent }: Told, id: string): Row {
  const { stream, type, key } = event;
  assertText('type', type, TYPE_LENGTH_MAX);
  assertText('key', key, KEY_LENGTH_MAX);
  const { text: payload, bytes } = writePayload(event);
  const keyBucket = bucketOfKey(place.workspaceId, key);
  return { ...place, id, stream, keyBucket, bytes, type, key, traceparent, payload };
}

/** What `insertEvents` would refuse, thrown at once. @throws event_too_large */
export function checkEvent(event: UncheckedEvent): void {
  assertText('type', event.type, TYPE_LENGTH_MAX);
  assertText('key', event.key, KEY_LENGTH_MAX);
  writePayload(event);
}

/**
 * One statement for all events, with ids made here, so that nothing has to wait for its answer but the commit. What is
 * wrong with an event is thrown before anything is sent.
 * @throws event_too_large; in the promise stream_unknown
 */
export function insertEvents(
  tx: Queryable,
  told: readonly Told[],
  made: { nextId: (bucket: number) => string; nowMs: number },
): Promise<void> {
  const rows = told.flatMap((each) =>
    each.events.map((event) => writeRow(event, each, made.nextId(each.place.bucket))),
  );
  const column = <K extends keyof Row>(name: K) => rows.map((row) => row[name]);
  // `seq` is drawn row by row above the sorted rows, so it grows in the order of the events. A stream that is not there
  // gives no stream_id, and that is against a constraint: the commit that may follow in the same burst fails.
  const inserted = tx.run(sql`
    insert into core.outbox (event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key,
      traceparent, payload)
    select event.id, event.workspace_id, ${new Date(made.nowMs)}, streams.stream_id, event.bytes,
      event.key_bucket % coalesce(streams.partitions, 1), event.bucket, event.type, event.key, event.traceparent,
      event.payload::json
    from unnest(${numbers(column('id'))}::bigint[], ${numbers(column('workspaceId'))}::bigint[],
      ${numbers(column('bucket'))}::smallint[], ${texts(column('stream'))}::text[],
      ${numbers(column('keyBucket'))}::integer[], ${numbers(column('bytes'))}::integer[],
      ${texts(column('type'))}::text[], ${texts(column('key'))}::text[], ${texts(column('traceparent'))}::text[],
      ${jsonTexts(column('payload'))}::text[])
      with ordinality as event (id, workspace_id, bucket, stream, key_bucket, bytes, type, key, traceparent, payload,
        place)
    left join core.streams on streams.name = event.stream
    order by event.place`);
  return inserted.then(
    () => {},
    (error: unknown) => {
      if (!isConstraintViolation(error, 'outbox_stream_known')) throw error;
      const names = [...new Set(rows.map(({ stream }) => stream))].join(', ');
      throw streamErrors.stream_unknown({
        detail: `not declared, or not all of them: ${names}`,
        cause: error,
      });
    },
  );
}
