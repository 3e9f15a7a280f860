import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMasterKey } from '#base/master-key';
import { seededRandom } from '#base/random';
import { sql } from '#blocks/database';
import { startTestDatabase } from '#fixtures/database';
import { idempotencyMigrations } from './migrations.ts';
import { recordBytes } from './model.ts';

const RECORDS = 20_000;
const TOLERANCE = 0.25;

test('a kept answer takes about what the model says', async () => {
  const { admin } = await startTestDatabase({ migrations: [idempotencyMigrations] });
  const body = { text: 'x'.repeat(250) };
  const outcome = { status: 201, headers: { location: '/v1/links/117896458777124864', etag: '"1"' }, body };
  const masterKey = createMasterKey(new Uint8Array(32), seededRandom(1));
  const sealed = masterKey.seal('a test', Buffer.from(JSON.stringify(outcome)));
  await admin.run(sql`
    insert into core.idempotency_records (record_id, workspace_id, bucket, request_hash, outcome, created_at)
    select sha256(i::text::bytea), 1, 0, sha256(i::text::bytea), ${sealed}, now() + i * interval '1 ms'
    from generate_series(1, ${RECORDS}::integer) i`);
  const row = await admin.first<{ bytes: number }>(
    sql`select pg_total_relation_size('core.idempotency_records')::float8 as bytes`,
  );
  const model = recordBytes(JSON.stringify(body).length);
  const measured = (row?.bytes ?? 0) / RECORDS;
  const off = Math.abs(model / measured - 1);
  assert(off <= TOLERANCE, `${model} by the model, ${measured} measured`);
});
