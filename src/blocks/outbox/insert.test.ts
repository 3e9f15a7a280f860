import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { eventually } from '#base/testing/eventually.fixture';
import type { JsonValue } from '#base/values/json';
import { sql, type Transaction } from '#blocks/database';
import { bucketOfKey, type UncheckedEvent } from '#blocks/stream';
import type { TestDatabase } from '#fixtures/database';
import { PAYLOAD_BYTES_MAX } from './insert.ts';
import {
  createTestIds,
  type PipelineProcess,
  startPipelineDatabase,
  startProcess,
} from './pipeline.fixture.ts';

const signal = new AbortController().signal;
const place = { workspaceId: '7', bucket: 42 };
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
let started: TestDatabase;
/** Without a relay, so that what is written stays to be looked at. */
let writer: PipelineProcess;
before(async () => {
  started = await startPipelineDatabase();
  writer = await startProcess(started.database, { ids: createTestIds(1000), seed: 1, hasRelay: false });
  await writer.streams.declare('links', 16);
});
after(() => writer.stop());
beforeEach(() => started.admin.run(sql`delete from core.outbox`));

const transact = <T>(work: (tx: Transaction) => Promise<T>) =>
  started.database.transact({ system: 'test', ...place }, { signal }, work);
const publish = (events: readonly UncheckedEvent[], traceparent?: string) =>
  transact((tx) => writer.outbox.insertEvents(tx, place, events, traceparent));
const event = (fields: Partial<UncheckedEvent> = {}): UncheckedEvent => ({
  stream: 'links',
  type: 'link.created',
  key: 'k',
  payload: {},
  ...fields,
});
const waiting = <Row>() =>
  started.admin.rows<Row>(sql`
    select seq, event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key, traceparent,
      payload::text as text
    from core.outbox order by seq`);

test('an event is written with all that the log keeps of it', async () => {
  await publish([event({ payload: { url: 'https://example.com/é' } })], TRACEPARENT);
  const [row] = await waiting<Record<string, unknown> & { created_at: Date }>();
  assert.equal(row?.workspace_id, '7');
  assert.equal(row?.bucket, 42);
  assert.equal(row?.partition, bucketOfKey('7', 'k') % 16);
  assert.equal(row?.type, 'link.created');
  assert.equal(row?.key, 'k');
  assert.equal(row?.traceparent, TRACEPARENT);
  assert.equal(row?.text, '{"url":"https://example.com/é"}');
  assert.equal(row?.bytes, Buffer.byteLength(String(row?.text)));
  assert.equal(row?.created_at.getTime(), writer.clock.nowMs());
});

test('the events of one transaction keep their order, and each has an id of its own', async () => {
  const keys = Array.from({ length: 1000 }, (_, i) => `k${(i * 7919) % 1000}`);
  await publish(keys.map((key) => event({ key })));
  const rows = await waiting<{ key: string; event_id: string }>();
  assert.deepEqual(
    rows.map(({ key }) => key),
    keys,
  );
  assert.equal(new Set(rows.map(({ event_id }) => event_id)).size, 1000);
});

test('what a transaction that is rolled back has written is not there', async () => {
  const failing = transact(async (tx) => {
    await writer.outbox.insertEvents(tx, place, [event()], undefined);
    throw new Error('changed my mind');
  });
  await assert.rejects(failing, /changed my mind/);
  assert.deepEqual(await waiting(), []);
});

test('no events are no statement', async () => {
  await publish([]);
  assert.deepEqual(await waiting(), []);
});

test('an unknown stream is refused by the database, so that a commit sent along fails too', async () => {
  await assert.rejects(publish([event(), event({ stream: 'nobody' })]), { code: 'stream_unknown' });
  let inserted: Promise<void> | undefined;
  const together = transact(async (tx) => {
    inserted = writer.outbox.insertEvents(tx, place, [event({ stream: 'nobody' })], undefined);
    // Not waited for: as a caller does that sends the commit in the same burst.
    inserted.catch(() => {});
  });
  await assert.rejects(together, { code: 'database_failed' });
  await assert.rejects(inserted!, { code: 'stream_unknown' });
  assert.deepEqual(await waiting(), []);
});

test('a payload of 256 KiB fits, and one byte more is refused before anything is sent', async () => {
  const fits = 'x'.repeat(PAYLOAD_BYTES_MAX - 2);
  await publish([event({ payload: fits })]);
  await transact(async (tx) => {
    const insert = () => writer.outbox.insertEvents(tx, place, [event({ payload: `${fits}x` })], undefined);
    assert.throws(insert, { code: 'event_too_large', status: 413 });
  });
  const euros = '€'.repeat(PAYLOAD_BYTES_MAX / 3);
  await assert.rejects(publish([event({ payload: euros })]), { code: 'event_too_large' });
});

test('what is no event is a programmer error', async () => {
  const insert = (fields: object) =>
    writer.outbox.insertEvents({} as Transaction, place, [{ ...event(), ...fields }], undefined);
  for (const fields of [
    { key: '' },
    { key: 'x'.repeat(256) },
    { key: 'a\0b' },
    { type: '' },
    { type: 'x'.repeat(101) },
    { payload: undefined },
  ]) {
    assert.throws(() => insert(fields), { name: 'AssertionError' }, JSON.stringify(fields));
  }
  const tooMany = Array.from({ length: 1001 }, () => event());
  assert.throws(
    () => writer.outbox.insertEvents({} as Transaction, place, tooMany, undefined),
    /at most 1000/,
  );
});

test('any JSON value and any key come out of the log as they went in', async () => {
  const reader = await startProcess(started.database, { ids: createTestIds(9000), seed: 2 });
  let run = 0;
  const json = fc.jsonValue({ noUnicodeString: false, maxDepth: 4 });
  const key = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
    .filter((text) => !text.includes('\0'));
  const property = fc.asyncProperty(
    fc.array(json, { minLength: 1, maxLength: 20 }),
    key,
    async (values, name) => {
      run += 1;
      const unique = `${name}${run}`;
      const told = values.map((payload) => event({ key: unique, payload: payload as JsonValue }));
      await publish(told, TRACEPARENT);
      reader.outbox.wake();
      const of = { workspaceId: '7', key: unique };
      const events = await eventually('all are in the log', async () => {
        const found = await reader.streams.readKey('links', of, { limit: 100 });
        return found.length === values.length && found;
      });
      // -0 has no JSON of its own.
      assert.deepEqual(
        events.map(({ payload }) => payload),
        values.map((value) => JSON.parse(JSON.stringify(value))),
      );
      assert(events.every((each) => each.key === unique && each.workspaceId === '7' && each.bucket === 42));
      assert(events.every(({ traceparent }) => traceparent === TRACEPARENT));
    },
  );
  await fc.assert(property, { numRuns: 50 });
  await reader.stop();
});
