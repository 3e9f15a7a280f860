/**
 * When segments are made, ended and dropped, and what those are told who had not read them.
 */
import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import type { TestDatabase } from '#fixtures/database';
import { createEffects, makeEffectsTable } from './effects.fixture.ts';
import type { StreamInfo } from './event.ts';
import { type LogProcess, type LogProcessOptions, startLogDatabase, startLogProcess } from './log.fixture.ts';
import { dropReason, roomUntil, sealPosition } from './retention.ts';
import type { Segment } from './store.ts';

const POLICY = { retentionMs: 80_000, bytesMax: 8000, segmentEvents: 1000 };
const signal = new AbortController().signal;

let started: TestDatabase;
let made = 0;
const running: { stop(deadline: AbortSignal): Promise<void> }[] = [];
before(async () => {
  started = await startLogDatabase();
  await makeEffectsTable(started.admin);
});
afterEach(async () => {
  for (const each of running.splice(0).reverse())
    await each.stop(AbortSignal.abort(new Error('the test is over')));
});

const segment = (fields: Partial<Segment>): Segment => ({
  segment: 1,
  fromPosition: '1',
  toPosition: '1001',
  madeAtMs: 0,
  sealedAtMs: undefined,
  bytes: 0,
  ...fields,
});

test('there is always room for two segments and a batch more', () => {
  assert.equal(roomUntil('0', POLICY), '12001');
  assert.equal(roomUntil('1500', POLICY), '13501');
});

test('a segment is ended when the log has passed it, when it is old, and when it is large', () => {
  const next = segment({ segment: 2, fromPosition: '1001', toPosition: '2001' });
  const of = (first: Partial<Segment>, head: string, nowMs: number) =>
    sealPosition([segment(first), next], head, POLICY, nowMs);
  assert.equal(of({}, '10', 9999), undefined);
  assert.equal(of({}, '1000', 0), '1001', 'passed');
  assert.equal(of({ sealedAtMs: 0 }, '1500', 9999), undefined, 'known to be passed');
  assert.equal(of({}, '10', 10_000), '1001', 'an eighth of the retention old');
  assert.equal(of({ bytes: 1000 }, '10', 0), '1001', 'an eighth of the bytes');
  assert.equal(of({ bytes: 1000 }, '0', 10_000), undefined, 'empty');
  assert.equal(
    of({ sealedAtMs: 5000 }, '1500', 14_999),
    undefined,
    'its age counts from the end of the one before',
  );
  assert.equal(of({ sealedAtMs: 5000 }, '1500', 15_000), '2001');
});

test('only what has ended is dropped: past the bytes at once, else when its youngest event is old', () => {
  const of = (...segments: Partial<Segment>[]) => dropReason(segments.map(segment), POLICY, 100_000);
  assert.equal(of(), undefined);
  assert.equal(of({ bytes: 9000 }), undefined);
  assert.equal(of({ sealedAtMs: 20_001, bytes: 4000 }, { bytes: 4000 }), undefined);
  assert.equal(of({ sealedAtMs: 20_000 }), 'age');
  assert.equal(of({ sealedAtMs: 99_999, bytes: 4000 }, { bytes: 4001 }), 'size');
});

interface Setting extends LogProcess {
  stream: StreamInfo;
}

async function setUp(options: LogProcessOptions['options']): Promise<Setting> {
  made += 1;
  const process = await startLogProcess(started.database, {
    seed: made,
    options: { ...POLICY, bytesMax: 1_000_000_000, ...options },
  });
  running.push(process.streams);
  return { ...process, stream: await process.streams.declare(`kept${made}`, 4) };
}

const numbered = (...numbers: number[]) => numbers.map((n) => ({ key: 'k', payload: { n } }));

async function keptNumbers({ streams, stream }: Setting): Promise<number[]> {
  const events = await streams.readKey(stream.name, { workspaceId: '1', key: 'k' }, { limit: 100 });
  return events.map(({ payload }) => (payload as { n: number }).n);
}

test('old events go by age, in whole segments, but not before every group has read them', async () => {
  const setting = await setUp({});
  const { publish, stream, streams, store, clock } = setting;
  await store.group(stream, 'slow').open('0');
  await publish(stream, numbered(1, 2));
  clock.advance(10_000);
  await streams.maintain();
  await publish(stream, numbered(3));
  clock.advance(79_999);
  await streams.maintain();
  assert.deepEqual(await keptNumbers(setting), [1, 2, 3], 'not old enough');
  clock.advance(1);
  await streams.maintain();
  assert.deepEqual(await keptNumbers(setting), [1, 2, 3], 'not read');
  const [, , third] = await streams.readKey(stream.name, { workspaceId: '1', key: 'k' }, { limit: 3 });
  await streams.group(stream.name, 'slow').seek(String(BigInt(third!.position) - 1n));
  await eventually('they are dropped', async () => {
    await streams.maintain();
    return (await keptNumbers(setting)).length === 1;
  });
  assert.deepEqual(await keptNumbers(setting), [3]);
  const overview = await streams.group(stream.name, 'slow').look();
  assert(overview?.partitions.every(({ isExpired }) => !isExpired));
  // Else it would keep the events of the tests to come.
  await streams.group(stream.name, 'slow').seek(await streams.head());
});

test('it looks after the segments by itself', async () => {
  const setting = await setUp({});
  await setting.publish(setting.stream, numbered(1));
  await eventually('an old event is gone', async () => {
    setting.clock.advance(10_000);
    return (await keptNumbers(setting)).length === 0;
  });
});

test('a group that loses unread events stands still there until it seeks, and says so', async () => {
  const setting = await setUp({ bytesMax: 1 });
  const { publish, stream, streams, clock, metrics } = setting;
  const effects = createEffects(started.database.core, stream.name);
  const consume = async () => {
    const consumer = streams.createConsumer({ stream: stream.name, group: 'slow' }, effects);
    running.push(consumer);
    await consumer.start(signal);
    return consumer;
  };
  const handled = (count: number) =>
    eventually(`${count} effects`, async () => {
      clock.advance(500);
      return (await effects.numbers('k')).length >= count;
    });
  const first = await consume();
  await publish(stream, numbered(1));
  await handled(1);
  await first.stop(signal);
  await publish(stream, numbered(2, 3));
  await eventually('they are dropped', async () => {
    await streams.maintain();
    return (await keptNumbers(setting)).length === 0;
  });
  await publish(stream, [...numbered(4), { key: 'other' }]);
  const second = await consume();
  const health = second.health();
  assert(health.status === 'failing' && /position_expired in partition \d;/.test(health.reason));
  await eventually('other partitions go on', async () => (await effects.keys()).includes('other'));
  assert.deepEqual(await effects.numbers('k'), [1], 'nothing is left out in silence');
  const group = streams.group(stream.name, 'slow');
  assert.equal((await group.look())?.partitions.filter(({ isExpired }) => isExpired).length, 1);
  const scraped = await metrics.registry.metrics();
  assert.match(scraped, /loadstone_stream_segments_dropped_unread_total [1-9]/);
  await assert.rejects(group.seek('1'), { code: 'position_expired' });
  const from = await streams.head();
  await publish(stream, numbered(5));
  await group.seek(from);
  await handled(2);
  assert.deepEqual(await effects.numbers('k'), [1, 5]);
  await eventually('it is well', () => second.health().status === 'ok');
});

test('a group cannot begin where the log no longer does', async () => {
  const setting = await setUp({ bytesMax: 1 });
  const { publish, stream, streams } = setting;
  const after = await streams.head();
  await publish(stream, numbered(1, 2));
  await eventually('they are dropped', async () => {
    await streams.maintain();
    return (await keptNumbers(setting)).length === 0;
  });
  const of = { stream: stream.name, group: 'late', start: { after } };
  const consumer = streams.createConsumer(of, { handler: async () => {} });
  await assert.rejects(consumer.start(signal), { code: 'position_expired' });
  assert.equal(await streams.group(stream.name, 'late').look(), undefined);
});
