import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '#blocks/database';
import { startTestDatabase } from '#fixtures/database';
import { streamMigrations } from './migrations.ts';
import { eventBytes } from './model.ts';

const EVENTS = 20_000;
const TOLERANCE = 0.25;

test('an event takes about what the model says', async () => {
  const { admin } = await startTestDatabase({ migrations: [streamMigrations] });
  await admin.run(sql`select core.add_stream_segment(1000000, 1000000, now())`);
  for (const length of [300, 3000]) {
    await admin.run(sql`truncate core.stream_events`);
    await admin.run(sql`alter table core.stream_events_1 alter payload set storage external`);
    await admin.run(sql`
      insert into core.stream_events (position, event_id, workspace_id, created_at, stream_id, bytes, partition, bucket,
        type, key, traceparent, payload)
      select i, i::bigint << 22, 1, now(), 1, ${length}, hashint4(i) & 15, 0, 'link.created',
        (1000000000000000000 + hashint8extended(i, 0) % 1000000000000000)::text, repeat('0', 55),
        ('"' || repeat('x', ${length}::integer - 2) || '"')::json
      from generate_series(1, ${EVENTS}::integer) i`);
    const row = await admin.first<{ bytes: number }>(
      sql`select pg_total_relation_size('core.stream_events_1')::float8 as bytes`,
    );
    const measured = (row?.bytes ?? 0) / EVENTS;
    const off = Math.abs(eventBytes(length) / measured - 1);
    assert(off <= TOLERANCE, `${length}: ${eventBytes(length)} by the model, ${measured} measured`);
  }
});
