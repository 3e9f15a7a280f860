/**
 * The conformance suite of consumer groups, and of what they set aside: every engine passes it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePositions, POSITION_MIN, type StreamEvent, type StreamInfo } from '../event.ts';
import { append, transactAsSystem } from '../log.fixture.ts';
import type { SuiteStore } from '../store.suite.ts';
import type { AsideKey, GroupStore, Hold, NewAside } from '../store.ts';

type Make = () => Promise<SuiteStore>;

const PARTITIONS = 3;
const NOW_MS = 1_800_000_000_000;

interface SuiteGroup extends SuiteStore {
  stream: StreamInfo;
  group: GroupStore;
}

async function freshGroup(make: Make): Promise<SuiteGroup> {
  const suite = await make();
  const stream = await suite.store.declare(suite.freshName(), PARTITIONS);
  const group = suite.store.group(stream, 'counts');
  await group.open('5');
  return { ...suite, stream, group };
}

async function partitionsOf(group: GroupStore) {
  return (await group.look())!.partitions;
}

/** @param make a store whose log has room */
export function groupStoreSuite(name: string, make: Make): void {
  memberSuite(name, make);
  advanceSuite(name, make);
  asideSuite(name, make);
  parkedSuite(name, make);
}

function memberSuite(name: string, make: Make): void {
  test(`${name}: a group is opened once, and does not touch others`, async () => {
    const { group, store, stream } = await freshGroup(make);
    await group.open('9');
    const partitions = [0, 1, 2].map((partition) => ({
      partition,
      holder: undefined,
      epoch: 0,
      position: '5',
      isExpired: false,
    }));
    assert.deepEqual(await group.look(), { members: [], partitions });
    assert.equal(await store.group(stream, 'others').look(), undefined);
    const opened = (await store.groups()).filter((each) => each.stream === stream.name);
    assert.deepEqual(opened, [{ stream: stream.name, group: 'counts', parked: 0 }]);
  });

  test(`${name}: a member beats, leaves with its partitions, and is evicted only when it has not beaten since`, async () => {
    const { group } = await freshGroup(make);
    await group.beat('one');
    await group.beat('two');
    const before = (await group.look())!.members;
    assert.deepEqual(before.map(({ member }) => member).sort(), ['one', 'two']);
    await group.take('one', await partitionsOf(group));
    await group.beat('one');
    for (const { member, beat } of before) assert.equal(await group.evict(member, beat), member === 'two');
    assert.deepEqual(
      (await group.look())!.members.map(({ member }) => member),
      ['one'],
    );
    await group.leave('one');
    const state = (await group.look())!;
    assert.deepEqual(state.members, []);
    assert(state.partitions.every(({ holder, epoch }) => holder === undefined && epoch === 2));
  });

  test(`${name}: of those who take a partition at once, one gets it`, async () => {
    const { group } = await freshGroup(make);
    const seen = await partitionsOf(group);
    const taken = await Promise.all(Array.from({ length: 6 }, (_, i) => group.take(`m${i}`, seen)));
    const all = taken.flat();
    assert.deepEqual(all.map(({ partition }) => partition).sort(), [0, 1, 2]);
    assert(all.every(({ epoch, position }) => epoch === 1 && position === '5'));
    assert.deepEqual(await group.take('late', seen), []);
  });

  test(`${name}: a partition is released by who holds it, and by nobody else`, async () => {
    const { group } = await freshGroup(make);
    const held = await group.take('one', await partitionsOf(group));
    const later = await group.take('two', held.slice(0, 1));
    await group.release(held);
    const now = await partitionsOf(group);
    assert.deepEqual(
      now.map(({ holder }) => holder),
      ['two', undefined, undefined],
    );
    assert.equal(now[0]?.epoch, later[0]?.epoch);
  });
}

function advanceSuite(name: string, make: Make): void {
  const move = (hold: Hold, from: string, to: string) => ({ ...hold, from, to });

  test(`${name}: partitions move on with the transaction, or not at all`, async () => {
    const { group, database } = await freshGroup(make);
    const held = await group.take('one', await partitionsOf(group));
    const moves = held.map((hold) => move(hold, '5', '7'));
    const failing = transactAsSystem(database, async (tx) => {
      await group.advance(tx, moves);
      throw new Error('changed my mind');
    });
    await assert.rejects(failing, /changed my mind/);
    assert((await partitionsOf(group)).every(({ position }) => position === '5'));
    await transactAsSystem(database, (tx) => group.advance(tx, moves));
    assert((await partitionsOf(group)).every(({ position }) => position === '7'));
  });

  test(`${name}: who has been followed, or is somewhere else, moves nothing`, async () => {
    const { group, database } = await freshGroup(make);
    const [first, second, third] = await group.take('one', await partitionsOf(group));
    await group.take('two', [first!]);
    const advance = (moves: Parameters<GroupStore['advance']>[1]) =>
      transactAsSystem(database, (tx) => group.advance(tx, moves));
    const fenced = { code: 'consumer_fenced' };
    await assert.rejects(advance([move(first!, '5', '7')]), fenced);
    await assert.rejects(advance([move(second!, '4', '7')]), fenced);
    await assert.rejects(advance([move(third!, '5', '7'), move(first!, '5', '7')]), fenced);
    assert((await partitionsOf(group)).every(({ position }) => position === '5'));
    await advance([move(second!, '5', '5')]);
  });

  test(`${name}: a taking waits for a batch under way, and begins where that ends`, async () => {
    const { group, database } = await freshGroup(make);
    const [first] = await group.take('one', await partitionsOf(group));
    let taking: ReturnType<GroupStore['take']> | undefined;
    await transactAsSystem(database, async (tx) => {
      await group.advance(tx, [move(first!, '5', '8')]);
      taking = group.take('two', [first!]);
    });
    assert.equal((await taking!)[0]?.position, '8');
  });

  test(`${name}: a group that seeks is fenced, and forgets what it set aside after that`, async () => {
    const suite = await freshGroup(make);
    const { group, database, stream, store } = suite;
    const held = await group.take('one', await partitionsOf(group));
    const events = await appendEvents(suite, ['a', 'b', 'c']);
    const aside = store.aside(stream, 'counts');
    await transactAsSystem(database, (tx) => aside.add(tx, events.map(parked)));
    await group.seek(events[0]!.position);
    await assert.rejects(
      transactAsSystem(database, (tx) => group.advance(tx, [move(held[0]!, '5', '7')])),
      { code: 'consumer_fenced' },
    );
    const now = await partitionsOf(group);
    assert(now.every(({ holder, position }) => holder === undefined && position === events[0]!.position));
    assert.deepEqual((await aside.parked(POSITION_MIN, 10)).map(keyOfParked), ['a']);
  });
}

const parked = (event: StreamEvent): NewAside => ({
  event,
  attempts: 3,
  retryAtMs: NOW_MS,
  parkedAtMs: NOW_MS,
  error: 'no good',
});
const waiting = (event: StreamEvent): NewAside => ({ event, attempts: 0, retryAtMs: NOW_MS });
const keyOfParked = ({ event }: { event: StreamEvent }) => event.key;

async function appendEvents(suite: SuiteGroup, keys: readonly string[]): Promise<StreamEvent[]> {
  const { database, store, stream } = suite;
  const before = await store.head();
  await append(database, store, [stream, keys.map((key, n) => ({ key, payload: { n, text: '€' } }))]);
  const cursors = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, after: before }));
  const { events } = await store.read(stream, cursors, {
    eventsMax: 1000,
    perPartitionMax: 1000,
    bytesMax: 1_000_000,
  });
  assert.equal(events.length, keys.length);
  return events;
}

async function withAside(make: Make, keys: readonly string[]) {
  const suite = await freshGroup(make);
  const events = await appendEvents(suite, keys);
  const aside = suite.store.aside(suite.stream, 'counts');
  const inTx = <T>(work: Parameters<typeof transactAsSystem<T>>[1]) => transactAsSystem(suite.database, work);
  const keyOf = ({ partition, workspaceId, key }: StreamEvent): AsideKey => ({
    partition,
    workspaceId,
    key,
    attempts: 0,
    retryAtMs: 0,
    isParked: false,
  });
  return { ...suite, events, aside, inTx, keyOf };
}

function asideSuite(name: string, make: Make): void {
  test(`${name}: what is set aside is found by key, first events first, as it was in the log`, async () => {
    const { aside, events, inTx, keyOf } = await withAside(make, ['a', 'b', 'a', 'c', 'a']);
    const [a1, b1, a2, , a3] = events;
    await inTx((tx) =>
      aside.add(tx, [{ ...waiting(a1!), attempts: 2, error: 'no' }, waiting(a2!), waiting(b1!)]),
    );
    await inTx((tx) => aside.add(tx, []));
    await inTx((tx) => aside.add(tx, [waiting(a3!)]));
    const { keys, events: counts } = await aside.load([0, 1, 2]);
    const found = keys.map(({ key, attempts }) => [key, attempts]).sort();
    assert.deepEqual(found, [
      ['a', 2],
      ['b', 0],
    ]);
    assert.equal(
      [...counts.values()].reduce((sum, count) => sum + count),
      4,
    );
    const first = await inTx((tx) => aside.first(tx, keyOf(a1!), 2));
    assert.deepEqual(
      first.map(({ event }) => event),
      [a1, a2],
    );
    assert.deepEqual([first[0]?.attempts, first[0]?.retryAtMs, first[0]?.isParked], [2, NOW_MS, false]);
    assert.deepEqual(await aside.load([]), { keys: [], events: new Map() });
  });

  test(`${name}: what is done is gone, and done only once`, async () => {
    const { aside, events, inTx, keyOf } = await withAside(make, ['a', 'a', 'a']);
    await inTx((tx) => aside.add(tx, events.map(waiting)));
    const first = await inTx((tx) => aside.first(tx, keyOf(events[0]!), 2));
    await inTx((tx) => aside.done(tx, first));
    await assert.rejects(
      inTx((tx) => aside.done(tx, first)),
      { code: 'consumer_fenced' },
    );
    const left = await inTx((tx) => aside.first(tx, keyOf(events[0]!), 10));
    assert.deepEqual(
      left.map(({ event }) => event),
      events.slice(2),
    );
  });

  test(`${name}: a failure is written down once for each attempt`, async () => {
    const { aside, events, inTx, keyOf } = await withAside(make, ['a']);
    const [event] = events;
    await inTx((tx) => aside.add(tx, [waiting(event!)]));
    const failure = { attemptsBefore: 0, retryAtMs: NOW_MS + 500, parkedAtMs: undefined, error: 'no' };
    await inTx((tx) => aside.failed(tx, event!, failure));
    await assert.rejects(
      inTx((tx) => aside.failed(tx, event!, failure)),
      { code: 'consumer_fenced' },
    );
    const [found] = await inTx((tx) => aside.first(tx, keyOf(event!), 1));
    assert.deepEqual([found?.attempts, found?.retryAtMs, found?.isParked], [1, NOW_MS + 500, false]);
    await inTx((tx) => aside.failed(tx, event!, { ...failure, attemptsBefore: 1, parkedAtMs: NOW_MS }));
    assert.equal((await aside.load([event!.partition])).keys[0]?.isParked, true);
  });
}

function parkedSuite(name: string, make: Make): void {
  test(`${name}: parked events are listed with their error and what waits behind them`, async () => {
    const { aside, events, inTx } = await withAside(make, ['a', 'b', 'a', 'a', 'c']);
    const [a1, b1, a2, a3, c1] = events;
    await inTx((tx) => aside.add(tx, [parked(a1!), waiting(a2!), waiting(a3!), waiting(b1!), parked(c1!)]));
    const list = await aside.parked(POSITION_MIN, 10);
    assert.deepEqual(
      list.map(({ event, behind, error, attempts }) => [event.key, behind, error, attempts]),
      [
        ['a', 2, 'no good', 3],
        ['c', 0, 'no good', 3],
      ],
    );
    assert.equal(list[0]?.parkedAt.getTime(), NOW_MS);
    assert.deepEqual(list[0]?.event, a1);
    assert.deepEqual((await aside.parked(a1!.position, 10)).map(keyOfParked), ['c']);
    assert.equal((await aside.parked(POSITION_MIN, 1)).length, 1);
  });

  test(`${name}: redriven events are tried again as if they had never failed`, async () => {
    const { aside, events, inTx } = await withAside(make, ['a', 'b', 'c']);
    await inTx((tx) => aside.add(tx, events.map(parked)));
    assert.equal(await aside.redrive([events[1]!.position, '999999999999'], NOW_MS + 7), 1);
    const keys = (await aside.load([0, 1, 2])).keys.filter(({ isParked }) => !isParked);
    assert.deepEqual(
      keys.map(({ key, attempts, retryAtMs }) => [key, attempts, retryAtMs]),
      [['b', 0, NOW_MS + 7]],
    );
    assert.equal(await aside.redrive(undefined, NOW_MS), 2);
    assert.deepEqual(await aside.parked(POSITION_MIN, 10), []);
  });

  test(`${name}: only what is parked can be discarded`, async () => {
    const { aside, events, inTx } = await withAside(make, ['a', 'b', 'c']);
    const [a1, b1, c1] = events;
    await inTx((tx) => aside.add(tx, [parked(a1!), waiting(b1!), parked(c1!)]));
    const positions = events.map(({ position }) => position).sort(comparePositions);
    assert.equal(await aside.discard(positions.slice(0, 2)), 1);
    assert.equal(await aside.discard(undefined), 1);
    const { keys } = await aside.load([0, 1, 2]);
    assert.deepEqual(
      keys.map(({ key }) => key),
      ['b'],
    );
  });
}
