import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { eventually } from '#base/testing/eventually.fixture';
import type { Queryable } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import { createEffects, type Effects, makeEffectsTable } from '../effects.fixture.ts';
import type { StreamEvent, StreamInfo } from '../event.ts';
import {
  type LogProcess,
  type LogProcessOptions,
  startLogDatabase,
  startLogProcess,
  type TestEvent,
} from '../log.fixture.ts';
import type { Consumer, ConsumerDefinition } from './consumer.ts';

const LEASE_MS = 5000;
const PARTITIONS = 8;
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

async function start(options: LogProcessOptions = {}): Promise<LogProcess> {
  made += 1;
  const process = await startLogProcess(started.database, { seed: made, ...options });
  running.push(process.streams);
  return process;
}

interface Setting {
  process: LogProcess;
  stream: StreamInfo;
  effects: Effects;
  consume(definition?: Partial<ConsumerDefinition>, process?: LogProcess): Promise<Consumer>;
}

async function setUp(options: LogProcessOptions = {}): Promise<Setting> {
  const process = await start(options);
  const stream = await process.streams.declare(`test${made}`, PARTITIONS);
  const effects = createEffects(started.database.core, stream.name);
  return {
    process,
    stream,
    effects,
    async consume(definition = {}, { streams } = process) {
      const whole = { stream: stream.name, group: 'effects', ...definition };
      const consumer = streams.createConsumer(whole, effects);
      running.push(consumer);
      await consumer.start(signal);
      return consumer;
    },
  };
}

const numbered = (key: string, ...numbers: number[]): TestEvent[] =>
  numbers.map((n) => ({ key, payload: { n } }));
const keys = (count: number, from = 0): TestEvent[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${from + i}` }));

/** @param polling a process that learns of news by its own poll only */
function handled(effects: Effects, count: number, polling?: LogProcess): Promise<string[]> {
  return eventually(`${count} effects`, async () => {
    polling?.clock.advance(20);
    const found = await effects.keys();
    return found.length >= count && found;
  });
}

/**
 * Lets time pass until it is so: no faster than the database answers, or members whose beats are on their way would take
 * each other for dead.
 */
function reached(what: string, processes: readonly LogProcess[], is: () => boolean): Promise<unknown> {
  return eventually(what, async () => {
    for (const { clock, streams } of processes) {
      clock.advance(100);
      await streams.head();
    }
    return is();
  });
}

/** Lets time pass, a beat at a time. */
async function pass(ms: number, { clock, streams }: LogProcess): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 500) {
    clock.advance(500);
    for (let i = 0; i < 10; i++) await turn();
    await streams.head();
  }
}

lifecycleSuite('a consumer', async () => {
  const { process, stream, effects } = await setUp();
  return process.streams.createConsumer({ stream: stream.name, group: 'effects' }, effects);
});

test('every event is handled once, in the order of its key, also over a restart', async () => {
  const { process, stream, effects, consume } = await setUp();
  await process.publish(stream, [...numbered('a', 1, 2), ...numbered('b', 1), ...numbered('a', 3)]);
  const first = await consume();
  await handled(effects, 4);
  await first.stop(signal);
  await process.publish(stream, [...numbered('a', 4), ...numbered('b', 2)]);
  await consume();
  await handled(effects, 6);
  assert.deepEqual(await effects.numbers('a'), [1, 2, 3, 4]);
  assert.deepEqual(await effects.numbers('b'), [1, 2]);
});

test('a group begins where it is told to, and others do not concern it', async () => {
  const { process, stream, consume, effects } = await setUp();
  const at = (createdAtMs: number, key: string) => process.publish(stream, [{ key, createdAtMs }]);
  await at(1_800_000_000_000, 'old');
  await at(1_800_000_060_000, 'recent');
  const after = await process.streams.head();
  await at(1_800_000_120_000, 'new');
  const expected = {
    earliest: ['old', 'recent', 'new', 'newest'],
    latest: ['newest'],
    after: ['new', 'newest'],
    time: ['recent', 'new', 'newest'],
  };
  const seen = new Map<string, string[]>();
  const starts = {
    earliest: 'earliest',
    latest: 'latest',
    after: { after },
    time: { timeMs: 1_800_000_060_000 },
  } as const;
  for (const group of Object.keys(starts) as (keyof typeof starts)[]) {
    const own: string[] = [];
    seen.set(group, own);
    const handler = async (events: readonly StreamEvent[]) => void own.push(...events.map(({ key }) => key));
    const consumer = process.streams.createConsumer(
      { stream: stream.name, group, start: starts[group] },
      { handler },
    );
    running.push(consumer);
    await consumer.start(signal);
  }
  await at(1_800_000_180_000, 'newest');
  for (const [group, own] of Object.entries(expected)) {
    await eventually(`${group} sees its events`, () => seen.get(group)!.length >= own.length);
    assert.deepEqual(seen.get(group), own);
  }
  await consume({ group: 'earliest', start: 'latest' });
  assert.deepEqual(await effects.keys(), [], 'a group that is there goes on where it was');
});

test('a stream that nobody has declared cannot be consumed', async () => {
  const { process, effects } = await setUp();
  const consumer = process.streams.createConsumer({ stream: 'nobody', group: 'effects' }, effects);
  await assert.rejects(consumer.start(signal), { code: 'stream_unknown' });
});

test('members share the partitions, and take over from one that leaves', async () => {
  const { process, stream, effects, consume } = await setUp();
  const other = await start();
  const one = await consume();
  assert.equal(one.partitions().length, PARTITIONS);
  const two = await consume({}, other);
  const half = PARTITIONS / 2;
  await reached(
    'they share',
    [process, other],
    () => one.partitions().length === half && two.partitions().length === half,
  );
  await process.publish(stream, keys(40));
  await handled(effects, 40, other);
  await one.stop(signal);
  await reached('the other takes over', [other], () => two.partitions().length === PARTITIONS);
  await process.publish(stream, keys(40, 40));
  assert.equal(new Set(await handled(effects, 80, other)).size, 80);
});

/** A way to the database that can be cut. */
function cuttable() {
  const line = { isCut: false, failures: [] as string[] };
  const through = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (line.isCut) throw new Error('the line is cut');
      return call(...args);
    };
  };
  const { core, transact } = started.database;
  const cut: Queryable = {
    rows: through(core.rows) as Queryable['rows'],
    first: through(core.first) as Queryable['first'],
    run: through(core.run),
  };
  const noted = through(async (...args: Parameters<typeof transact>) => {
    try {
      return await transact(...args);
    } catch (error) {
      line.failures.push((error as { code?: string }).code ?? String(error));
      throw error;
    }
  });
  return { line, core: cut, transact: noted as typeof transact };
}

test('a member that falls silent is evicted after the length of a lease, and its batch in hand has no effect', async () => {
  const { line, ...link } = cuttable();
  const { process, stream, effects, consume } = await setUp(link);
  const other = await start();
  const first = await consume();
  let wake = () => {};
  const frozen = new Promise<void>((resolve) => {
    wake = resolve;
  });
  let isInHand = false;
  const late = createEffects(started.database.core, `${stream.name} second`);
  effects.setFault(async () => {
    isInHand = true;
    await frozen;
  });
  await process.publish(stream, numbered('a', 1, 2, 3));
  await eventually('a batch is in hand', () => isInHand);
  line.isCut = true;
  const second = other.streams.createConsumer({ stream: stream.name, group: 'effects' }, late);
  running.push(second);
  await second.start(signal);
  await pass(LEASE_MS - 1000, other);
  assert.deepEqual(second.partitions(), []);
  await reached('the other takes over', [other], () => second.partitions().length === PARTITIONS);
  assert.deepEqual(await handled(late, 3), ['a', 'a', 'a']);
  line.isCut = false;
  wake();
  await eventually('the late commit is fenced off', () => line.failures.length > 0);
  assert.deepEqual(line.failures, ['consumer_fenced']);
  assert.deepEqual(await effects.numbers('a'), []);
  effects.setFault(() => {});
  await reached(
    'the first is a member again',
    [process, other],
    () => first.partitions().length === PARTITIONS / 2 && second.partitions().length === PARTITIONS / 2,
  );
  await other.publish(stream, numbered('a', 4));
  const numbers = await eventually('the fourth is handled by either', async () => {
    process.clock.advance(20);
    const both = [...(await late.numbers('a')), ...(await effects.numbers('a'))];
    return both.length >= 4 && both;
  });
  assert.deepEqual(numbers, [1, 2, 3, 4]);
});

test('many consumers in one process need few connections, and none while they wait', async () => {
  const { process, stream, effects } = await setUp();
  for (let i = 0; i < 30; i++) {
    const consumer = process.streams.createConsumer({ stream: stream.name, group: `group${i}` }, effects);
    running.push(consumer);
    await consumer.start(signal);
  }
  await eventually('all have read', async () => {
    const text = await started.metrics.registry.getSingleMetricAsString(
      'loadstone_database_connections_in_use',
    );
    return text.includes('{role="system"} 0');
  });
  const seen = new Set<string>();
  effects.setFault((events) => {
    for (const { id } of events) seen.add(id);
  });
  const before = effects.batches.length;
  // The effects of the groups are told apart by nothing: all but one are refused by the unique key, and come again. One
  // event, because with several the groups would deadlock, each for a second.
  await process.publish(stream, keys(1));
  await eventually('each group has been handed its events', () => effects.batches.length - before >= 30);
  assert.equal(seen.size, 1);
});

test('a batch is bounded by events and by bytes', async () => {
  const { process, stream, effects, consume } = await setUp();
  await process.publish(stream, keys(25));
  await consume({ batchMax: 10 });
  await handled(effects, 25);
  assert(Math.max(...effects.batches) <= 10);
  effects.batches.length = 0;
  const payload = 'x'.repeat(100_000);
  await process.publish(
    stream,
    keys(12, 100).map((event) => ({ ...event, payload: { n: 1, payload } })),
  );
  const second = await setUp();
  await second.consume({ stream: stream.name, group: 'bytes', batchBytesMax: 300_000 });
  await handled(second.effects, 37);
  assert(Math.max(...second.effects.batches) <= 28, `${second.effects.batches}`);
});

test('a stop waits for the batch in hand, and a deadline cuts it off without an effect', async () => {
  const { process, stream, effects, consume } = await setUp();
  let go = () => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  let isInHand = false;
  effects.setFault(() => {
    isInHand = true;
    return held;
  });
  const consumer = await consume();
  await process.publish(stream, keys(3));
  await eventually('a batch is in hand', () => isInHand);
  const stopping = consumer.stop(signal);
  go();
  await stopping;
  assert.equal((await effects.keys()).length, 3);

  isInHand = false;
  effects.setFault(() => {
    isInHand = true;
    return new Promise(() => {});
  });
  const second = await consume();
  await process.publish(stream, keys(3, 10));
  await eventually('a batch is in hand', () => isInHand);
  const deadline = new AbortController();
  const cut = second.stop(deadline.signal);
  deadline.abort(new Error('no time left'));
  await cut;
  assert.equal((await effects.keys()).length, 3);
});

test('a group that seeks back is given its events again', async () => {
  const { process, stream, effects, consume } = await setUp();
  await process.publish(stream, keys(5));
  const seen: string[] = [];
  const consumer = process.streams.createConsumer(
    { stream: stream.name, group: 'replay' },
    { handler: async (events) => void seen.push(...events.map(({ key }) => key)) },
  );
  running.push(consumer);
  await consumer.start(signal);
  await eventually('all are handled', () => seen.length === 5);
  await process.streams.group(stream.name, 'replay').seek('0');
  await eventually('all are handled again', () => {
    process.clock.advance(500);
    return seen.length === 10;
  });
  assert.deepEqual(seen.slice(5), seen.slice(0, 5));
  await consume();
  await handled(effects, 5);
});

test('a group that seeks forward leaves out what it has not handled', async () => {
  const { process, stream, effects, consume } = await setUp();
  const first = await consume();
  await process.publish(stream, keys(2));
  await handled(effects, 2);
  await first.stop(signal);
  await process.publish(stream, keys(3, 2));
  await process.streams.group(stream.name, 'effects').seek(await process.streams.head());
  await process.publish(stream, keys(1, 5));
  await consume();
  await handled(effects, 3);
  assert.deepEqual(await effects.keys(), ['k0', 'k1', 'k5']);
});

test('a group that nobody has opened is not there', async () => {
  const { process, stream } = await setUp();
  assert.equal(await process.streams.group(stream.name, 'nobody').look(), undefined);
});

test('it says how far it is, and what it has done', async () => {
  const { process, stream, effects, consume } = await setUp();
  let go = () => {};
  effects.setFault(
    () =>
      new Promise<void>((resolve) => {
        go = resolve;
      }),
  );
  const consumer = await consume({ batchMax: 10 });
  await process.publish(stream, keys(30));
  await eventually('the lag is measured', () => {
    process.clock.advance(500);
    go();
    return consumer.lag().events > 0 && consumer.lag().oldestMs > 0;
  });
  effects.setFault(() => {});
  go();
  await handled(effects, 30);
  await eventually('there is no lag', () => {
    process.clock.advance(500);
    return consumer.lag().events === 0;
  });
  const scraped = await process.metrics.registry.metrics();
  const labels = `{stream="${stream.name}",group="effects"}`;
  assert(scraped.includes(`loadstone_stream_events_handled_total${labels} 30`), scraped);
  assert(scraped.includes(`loadstone_stream_lag_events${labels} 0`));
  assert(scraped.includes(`loadstone_stream_partitions_owned${labels} ${PARTITIONS}`));
  const overview = await process.streams.group(stream.name, 'effects').look();
  assert.equal(overview?.lagEvents, 0);
  assert.equal(overview?.members.length, 1);
  assert.equal(overview?.partitions.length, PARTITIONS);
});
