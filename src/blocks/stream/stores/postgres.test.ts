import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import { groupStoreSuite } from '../consumer/group.suite.ts';
import { append, startLogDatabase, transactAsSystem } from '../log.fixture.ts';
import { type SuiteStore, streamStoreSuite } from '../store.suite.ts';
import { createPostgresStreams } from './postgres.ts';

const NOW_MS = 1_800_000_000_000;

let started: TestDatabase;
let made = 0;
before(async () => {
  started = await startLogDatabase();
});

async function make(): Promise<SuiteStore> {
  const store = createPostgresStreams(started.database.core);
  const until = String(BigInt(await store.head()) + 1001n);
  await store.addSegment(2000, { until, nowMs: NOW_MS });
  return {
    store,
    database: started.database,
    freshName() {
      made += 1;
      return `stream${made}`;
    },
  };
}

streamStoreSuite('streams in Postgres', make);
groupStoreSuite('groups in Postgres', make);

test('a drop that would make everybody wait behind a long read is put off', async () => {
  const { store, database, freshName } = await make();
  const stream = await store.declare(freshName(), 2);
  await append(database, store, [stream, [{ key: 'k' }]]);
  const head = BigInt(await store.head());
  const segment = (await store.segments()).find(({ toPosition }) => BigInt(toPosition) > head)!;
  await store.addSegment(2000, { until: String(BigInt(segment.toPosition) + 1n), nowMs: NOW_MS });
  await store.sealBefore(segment.toPosition, NOW_MS);
  const [oldest] = await store.segments();
  await transactAsSystem(started.database, async (tx) => {
    await tx.first(sql`select position from core.stream_events limit 1`);
    assert.equal(await store.dropSegment(oldest!.segment), false);
  });
  await eventually('the segment is dropped', () => store.dropSegment(oldest!.segment));
});

test('the server can neither change events nor drop a segment that is not sealed', async () => {
  const { store } = await make();
  const { core } = started.database;
  const segments = await store.segments();
  const open = segments.find(({ sealedAtMs }) => sealedAtMs === undefined)!;
  for (const { segment } of segments) {
    if (segment < open.segment) assert.equal(await store.dropSegment(segment), true);
  }
  await assert.rejects(store.dropSegment(open.segment), { code: 'database_failed' });
  await assert.rejects(core.run(sql`delete from core.stream_events`), { code: 'database_failed' });
  await assert.rejects(core.run(sql`update core.stream_events set payload = '{}'`), {
    code: 'database_failed',
  });
  await assert.rejects(core.run(sql`drop table core.stream_events`), { code: 'database_failed' });
});

test('reads and appends use an index of the segments they concern, and no other', async () => {
  const { store, database, freshName } = await make();
  const stream = await store.declare(freshName(), 2);
  const { position } = (await append(database, store, [stream, [{ key: 'k' }]])).heads[0]!;
  const plan = await started.admin.rows<{ 'QUERY PLAN': string }>(sql`
    explain (analyze, timing off, costs off)
    select position from core.stream_events
    where stream_id = ${stream.streamId} and partition = 0 and position > ${position} order by position limit 10`);
  const text = plan.map((row) => row['QUERY PLAN']).join('\n');
  assert.doesNotMatch(text, /Sort|Seq Scan/);
  assert.match(text, /Index/);
});
