import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '#blocks/database';
import { streamMigrations } from '#blocks/stream';
import { startTestDatabase } from '#fixtures/database';
import { outboxMigrations } from './migrations.ts';
import { backlogBytes } from './model.ts';

const EVENTS = 20_000;
const PAYLOAD_BYTES = 300;
const TOLERANCE = 0.25;

test('events that wait take about what the model says', async () => {
  const { admin } = await startTestDatabase({ migrations: [streamMigrations, outboxMigrations] });
  await admin.run(sql`
    insert into core.outbox (event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key,
      traceparent, payload)
    select i::bigint << 22, 1, now(), 1, ${PAYLOAD_BYTES}, 0, 0, 'link.created',
      (1000000000000000000 + i)::text, repeat('0', 55),
      ('"' || repeat('x', ${PAYLOAD_BYTES}::integer - 2) || '"')::json
    from generate_series(1, ${EVENTS}::integer) i`);
  const row = await admin.first<{ bytes: number }>(
    sql`select pg_total_relation_size('core.outbox')::float8 as bytes`,
  );
  const model = backlogBytes(EVENTS, PAYLOAD_BYTES);
  const off = Math.abs(model / (row?.bytes ?? 0) - 1);
  assert(off <= TOLERANCE, `${model} by the model, ${row?.bytes} measured`);
});
