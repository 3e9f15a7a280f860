/**
 * The conformance suite of the log: every engine passes it. That of the groups is group.suite.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '#blocks/database';
import { comparePositions, POSITION_MIN, type StreamEvent, type StreamInfo } from './event.ts';
import { append, rowsOf, type TestEvent, transactAsSystem } from './log.fixture.ts';
import type { StreamStore } from './store.ts';

export interface SuiteStore {
  store: StreamStore;
  database: Pick<Database, 'transact'>;
  /** A name that nobody has used. */
  freshName(): string;
}

type Make = () => Promise<SuiteStore>;

const PARTITIONS = 4;
const ALL = { eventsMax: 1000, perPartitionMax: 1000, bytesMax: 1_000_000_000 };
const NOW_MS = 1_800_000_000_000;

async function freshStream({ store, freshName }: SuiteStore): Promise<StreamInfo> {
  return store.declare(freshName(), PARTITIONS);
}

const keys = (count: number, from = 0): TestEvent[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${from + i}`, payload: { n: from + i } }));
const cursors = (after = POSITION_MIN) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, after }));
const keysOf = (events: readonly StreamEvent[]) => events.map(({ key }) => key);

/** @param make a store whose log has room; it may hold events of streams that others have made */
export function streamStoreSuite(name: string, make: Make): void {
  declareSuite(name, make);
  appendSuite(name, make);
  readSuite(name, make);
  lookUpSuite(name, make);
  segmentSuite(name, make);
}

function declareSuite(name: string, make: Make): void {
  test(`${name}: all who declare a new stream at once get one, with the partitions of the first`, async () => {
    const { store, freshName } = await make();
    const stream = freshName();
    assert.equal(await store.find(stream), undefined);
    const declared = await Promise.all([3, 4, 5, 6].map((partitions) => store.declare(stream, partitions)));
    assert.equal(new Set(declared.map((each) => JSON.stringify(each))).size, 1);
    assert.deepEqual(await store.declare(stream, 9), declared[0]);
    assert.deepEqual(await store.find(stream), declared[0]);
  });
}

function appendSuite(name: string, make: Make): void {
  test(`${name}: events get positions in their order, and are as they were`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    const before = await suite.store.head();
    const appended = await append(suite.database, suite.store, [stream, keys(50)]);
    const { events, isWhole } = await suite.store.read(stream, cursors(), ALL);
    assert.equal(appended.count, 50);
    assert.equal(appended.lastSeq, '50');
    assert.equal(isWhole, true);
    assert.deepEqual(
      keysOf(events),
      keys(50).map(({ key }) => key),
    );
    assert.deepEqual(events[7]?.payload, { n: 7 });
    assert.equal(events[7]?.workspaceId, '1');
    assert.equal(events[7]?.type, 'tested');
    assert.equal(events[7]?.traceparent, undefined);
    assert.equal(events[7]?.createdAt.getTime(), NOW_MS);
    assert(
      events.every((event, i) => comparePositions(event.position, events[i - 1]?.position ?? before) > 0),
    );
    const head = events.at(-1)!.position;
    assert.equal(await suite.store.head(), head);
    assert.deepEqual(appended.heads, [{ streamId: stream.streamId, position: head }]);
    assert.deepEqual(await suite.store.headsAfter(before), appended.heads);
    assert.deepEqual(await suite.store.headsAfter(head), []);
  });

  test(`${name}: nothing to append changes nothing`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    const before = await suite.store.head();
    const appended = await append(suite.database, suite.store, [stream, []]);
    assert.deepEqual([appended.count, appended.lastSeq, appended.heads], [0, undefined, []]);
    assert.equal(await suite.store.head(), before);
  });

  test(`${name}: what is rolled back was never there`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    const before = await suite.store.head();
    const failing = transactAsSystem(suite.database, async (tx) => {
      await suite.store.append(tx, rowsOf(stream, keys(3)));
      throw new Error('changed my mind');
    });
    await assert.rejects(failing, /changed my mind/);
    assert.equal(await suite.store.head(), before);
    assert.deepEqual((await suite.store.read(stream, cursors(), ALL)).events, []);
  });

  test(`${name}: who has seen a position sees no lower one later, however many append at once`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    const writers = Array.from({ length: 8 }, async (_, w) => {
      for (let i = 0; i < 10; i++)
        await append(suite.database, suite.store, [stream, keys(5, w * 1000 + i * 5)]);
    });
    let isDone = false;
    const writing = Promise.all(writers).then(() => {
      isDone = true;
    });
    const seen: StreamEvent[] = [];
    for (let isLast = false; !isLast; ) {
      isLast = isDone;
      const { events } = await suite.store.read(stream, cursors(seen.at(-1)?.position), ALL);
      seen.push(...events);
    }
    await writing;
    assert.equal(seen.length, 400);
    assert.equal(new Set(keysOf(seen)).size, 400);
  });
}

function readSuite(name: string, make: Make): void {
  test(`${name}: each partition is read from its own cursor`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    await append(suite.database, suite.store, [stream, keys(100)]);
    const { events } = await suite.store.read(stream, cursors(), ALL);
    const middle = events[49]!.position;
    const read = await suite.store.read(
      stream,
      [
        { partition: 0, after: POSITION_MIN },
        { partition: 2, after: middle },
      ],
      ALL,
    );
    const expected = events.filter(
      ({ partition, position }) =>
        partition === 0 || (partition === 2 && comparePositions(position, middle) > 0),
    );
    assert.deepEqual(read.events, expected);
    assert.equal(read.isWhole, true);
    assert.deepEqual(await suite.store.read(stream, [], ALL), { events: [], isWhole: true });
  });

  test(`${name}: limits cut off the end, and say so`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    await append(suite.database, suite.store, [stream, keys(40)]);
    const { events } = await suite.store.read(stream, cursors(), ALL);
    const few = await suite.store.read(stream, cursors(), { ...ALL, eventsMax: 7 });
    assert.deepEqual(few, { events: events.slice(0, 7), isWhole: false });
    const all = await suite.store.read(stream, cursors(), { ...ALL, eventsMax: 40 });
    assert.deepEqual(all, { events, isWhole: true });
    const narrow = await suite.store.read(stream, cursors(), { ...ALL, perPartitionMax: 2 });
    assert.equal(narrow.isWhole, false);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const of = (list: readonly StreamEvent[]) => list.filter((event) => event.partition === partition);
      assert.deepEqual(of(narrow.events), of(events).slice(0, 2));
    }
  });

  test(`${name}: the bound on bytes is kept, but for a first event that is larger`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    const payload = 'x'.repeat(998);
    await append(suite.database, suite.store, [stream, keys(10).map(({ key }) => ({ key, payload }))]);
    const read = (bytesMax: number) => suite.store.read(stream, cursors(), { ...ALL, bytesMax });
    assert.equal((await read(1)).events.length, 1);
    assert.equal((await read(1)).isWhole, false);
    assert.equal((await read(3000)).events.length, 3);
    assert.equal((await read(10_000)).events.length, 10);
    assert.equal((await read(10_000)).isWhole, true);
  });
}

function lookUpSuite(name: string, make: Make): void {
  test(`${name}: one key’s history is its own, also among workspaces`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    for (let round = 0; round < 3; round++) await append(suite.database, suite.store, [stream, keys(5)]);
    await append(suite.database, suite.store, [stream, [{ key: 'k2', workspaceId: '2' }]]);
    const of = { workspaceId: '1', key: 'k2' };
    const history = await suite.store.readKey(stream, of, POSITION_MIN, 100);
    assert.equal(history.length, 3);
    assert(history.every(({ key, workspaceId }) => key === 'k2' && workspaceId === '1'));
    assert.deepEqual(await suite.store.readKey(stream, of, history[0]!.position, 1), [history[1]]);
  });

  test(`${name}: a time is found, although writers’ clocks differ`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    const times = [0, 5, 3, 8, 6, 7, 20, 9];
    const events = times.map((time, i) => ({ key: `k${i}`, createdAtMs: NOW_MS + time * 1000 }));
    await append(suite.database, suite.store, [stream, events]);
    for (const fromS of [-1, 0, 4, 8, 10, 20]) {
      const after = await suite.store.positionBefore(stream, NOW_MS + fromS * 1000);
      const read = await suite.store.read(stream, cursors(after), ALL);
      const first = times.findIndex((time) => time >= fromS);
      assert.deepEqual(
        keysOf(read.events),
        events.slice(first).map(({ key }) => key),
        `from ${fromS}`,
      );
    }
    assert.equal(await suite.store.positionBefore(stream, NOW_MS + 21_000), await suite.store.head());
  });

  test(`${name}: lag is counted, up to a bound`, async () => {
    const suite = await make();
    const stream = await freshStream(suite);
    assert.deepEqual(await suite.store.lag(stream, cursors(), 10), { events: 0, oldestMs: undefined });
    await append(suite.database, suite.store, [stream, keys(30)]);
    assert.deepEqual(await suite.store.lag(stream, cursors(), 100), { events: 30, oldestMs: NOW_MS });
    assert.deepEqual(await suite.store.lag(stream, cursors(), 1), { events: PARTITIONS, oldestMs: NOW_MS });
    const head = await suite.store.head();
    assert.equal((await suite.store.lag(stream, cursors(head), 100)).events, 0);
  });
}

function segmentSuite(name: string, make: Make): void {
  test(`${name}: segments are added as far as they are wanted, and no further`, async () => {
    const { store } = await make();
    const until = String(BigInt((await store.segments()).at(-1)!.toPosition) + 1n);
    await Promise.all(Array.from({ length: 4 }, () => store.addSegment(500, { until, nowMs: NOW_MS })));
    const segments = await store.segments();
    const last = segments.at(-1)!;
    assert.equal(BigInt(last.toPosition), BigInt(until) + 499n);
    for (const [i, segment] of segments.entries()) {
      if (i > 0) assert.equal(segment.fromPosition, segments[i - 1]!.toPosition);
    }
  });

  test(`${name}: a sealed segment is left, and its events are read until it is dropped`, async () => {
    const suite = await make();
    const { store } = suite;
    const stream = await freshStream(suite);
    await append(suite.database, store, [stream, keys(20)]);
    const old = (await store.read(stream, cursors(), ALL)).events;
    const next = await sealPresent(suite);
    await append(suite.database, store, [stream, keys(20, 20)]);
    const all = (await store.read(stream, cursors(), ALL)).events;
    assert.deepEqual(all.slice(0, 20), old);
    assert(BigInt(all[20]!.position) >= BigInt(next), 'new events are in the next segment');
    await dropBefore(suite, next);
    assert.deepEqual((await store.read(stream, cursors(), ALL)).events, all.slice(20));
    assert.equal(await store.firstKept(), next);
  });

  test(`${name}: sealing twice, or what lies behind, moves nothing`, async () => {
    const suite = await make();
    const next = await sealPresent(suite);
    const head = await suite.store.head();
    await suite.store.sealBefore(next, NOW_MS + 1);
    await suite.store.sealBefore('1', NOW_MS);
    assert.equal(await suite.store.head(), head);
  });

  test(`${name}: what a group has not read is known`, async () => {
    const suite = await make();
    const { store } = suite;
    const stream = await freshStream(suite);
    await store.group(stream, 'slow').open(POSITION_MIN);
    await append(suite.database, store, [stream, keys(20)]);
    await store.group(stream, 'quick').open(await store.head());
    const next = await sealPresent(suite);
    const segment = (await store.segments()).find(({ toPosition }) => toPosition === next)!;
    assert.deepEqual(await store.unreadIn(segment), [`${stream.name}/slow`]);
    await store.group(stream, 'slow').seek(await store.head());
    assert.deepEqual(await store.unreadIn(segment), []);
    await dropBefore(suite, next);
  });

  test(`${name}: a group that loses unread events is told, and what it has in hand is fenced off`, async () => {
    const suite = await make();
    const { store } = suite;
    const stream = await freshStream(suite);
    await append(suite.database, store, [stream, [{ key: 'k' }]]);
    const { partition } = (await store.read(stream, cursors(), ALL)).events[0]!;
    const [slow, quick] = [store.group(stream, 'slow'), store.group(stream, 'quick')];
    await slow.open(POSITION_MIN);
    await quick.open(await store.head());
    const held = await slow.take('member', (await slow.look())!.partitions);
    const next = await sealPresent(suite);
    await dropBefore(suite, next);
    const expired = (await slow.look())!.partitions.filter(({ isExpired }) => isExpired);
    assert.deepEqual(expired, [
      {
        partition,
        holder: undefined,
        epoch: held[partition]!.epoch + 1,
        position: POSITION_MIN,
        isExpired: true,
      },
    ]);
    assert((await quick.look())!.partitions.every(({ isExpired }) => !isExpired));
    const move = { ...held[partition]!, from: POSITION_MIN, to: next };
    await assert.rejects(
      transactAsSystem(suite.database, (tx) => slow.advance(tx, [move])),
      { code: 'consumer_fenced' },
    );
    assert.equal((await slow.take('member', expired))[0]?.isExpired, true);
    await slow.seek(next);
    assert((await slow.look())!.partitions.every(({ isExpired }) => !isExpired));
  });

  test(`${name}: without room nothing is appended`, async () => {
    const suite = await make();
    const { store } = suite;
    const stream = await freshStream(suite);
    const end = (await store.segments()).at(-1)!.toPosition;
    await store.sealBefore(String(BigInt(end) - 2n), NOW_MS);
    await assert.rejects(append(suite.database, store, [stream, keys(4)]));
    assert.deepEqual((await store.read(stream, cursors(), ALL)).events, []);
    await store.addSegment(500, { until: String(BigInt(end) + 1n), nowMs: NOW_MS });
    await append(suite.database, store, [stream, keys(4)]);
    assert.equal((await store.read(stream, cursors(), ALL)).events.length, 4);
  });
}

/** Ends the segment that the next event would be in. @returns where the next one begins */
async function sealPresent({ store }: SuiteStore): Promise<string> {
  const next = BigInt(await store.head()) + 1n;
  const until = String(next + 1000n);
  await store.addSegment(500, { until, nowMs: NOW_MS });
  await store.addSegment(500, { until, nowMs: NOW_MS });
  const present = (await store.segments()).find(({ toPosition }) => BigInt(toPosition) > next)!;
  await store.sealBefore(present.toPosition, NOW_MS);
  return present.toPosition;
}

async function dropBefore({ store }: SuiteStore, position: string): Promise<void> {
  for (const { segment, toPosition } of await store.segments()) {
    if (BigInt(toPosition) <= BigInt(position)) assert.equal(await store.dropSegment(segment), true);
  }
}
