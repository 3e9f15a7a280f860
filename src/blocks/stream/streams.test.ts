import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createManualClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import type { TestDatabase } from '#fixtures/database';
import { type LogProcess, startLogDatabase, startLogProcess } from './log.fixture.ts';
import { streamOptions } from './options.ts';
import { createPostgresStreams } from './stores/postgres.ts';
import { createStreams } from './streams.ts';

const NOW_MS = 1_800_000_000_000;

let started: TestDatabase;
let process: LogProcess;
before(async () => {
  started = await startLogDatabase();
  process = await startLogProcess(started.database);
});
after(() => process.streams.stop(new AbortController().signal));

lifecycleSuite('streams', async () =>
  createStreams(parseOptions(streamOptions, {}), {
    clock: createManualClock(),
    random: seededRandom(1),
    log: silentLog,
    metrics: createMetrics(),
    database: started.database,
    store: createPostgresStreams(started.database.core),
  }),
);

test('a stream keeps the number of partitions that it was made with', async () => {
  const { streams } = process;
  const stream = await streams.declare('fixed', 4);
  assert.deepEqual(await streams.declare('fixed', 4), stream);
  assert.deepEqual(await streams.find('fixed'), stream);
  await assert.rejects(streams.declare('fixed', 8), { code: 'stream_partitions_fixed' });
  await assert.rejects(streams.find('nobody'), { code: 'stream_unknown' });
  await assert.rejects(streams.declare('No name'), { name: 'AssertionError' });
});

test('the history of one key is read in pages, each after the last', async () => {
  const { streams, publish } = process;
  const stream = await streams.declare('history', 4);
  for (let n = 0; n < 5; n++) {
    await publish(stream, [
      { key: 'a', payload: { n } },
      { key: 'b', payload: { n } },
    ]);
  }
  const of = { workspaceId: '1', key: 'a' };
  const seen: unknown[] = [];
  for (let after = '0'; ; ) {
    const page = await streams.readKey('history', of, { after, limit: 2 });
    if (page.length === 0) break;
    seen.push(...page.map(({ payload }) => payload));
    after = page.at(-1)!.position;
  }
  assert.deepEqual(
    seen,
    [0, 1, 2, 3, 4].map((n) => ({ n })),
  );
  await assert.rejects(streams.readKey('nobody', of, { limit: 1 }), { code: 'stream_unknown' });
});

test('what was created from a time on comes after the position before that time', async () => {
  const { streams, publish } = process;
  const stream = await streams.declare('timed', 4);
  for (let n = 0; n < 4; n++)
    await publish(stream, [{ key: 'a', payload: { n }, createdAtMs: NOW_MS + n * 1000 }]);
  const after = await streams.positionBefore('timed', NOW_MS + 2000);
  const events = await streams.readKey('timed', { workspaceId: '1', key: 'a' }, { after, limit: 10 });
  assert.deepEqual(
    events.map(({ payload }) => payload),
    [{ n: 2 }, { n: 3 }],
  );
  assert.equal(await streams.positionBefore('timed', NOW_MS + 9000), await streams.head());
});
