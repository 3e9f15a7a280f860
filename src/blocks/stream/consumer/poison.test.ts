/**
 * Events that cannot be handled: set aside, tried again, parked, redriven, discarded; and others that go on meanwhile.
 */
import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { createLog, type Log, silentLog } from '#base/log';
import { eventually } from '#base/testing/eventually.fixture';
import { type Queryable, sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import { createEffects, type Effects, makeEffectsTable } from '../effects.fixture.ts';
import { streamErrors } from '../errors.ts';
import type { StreamEvent, StreamInfo } from '../event.ts';
import { type LogProcess, startLogDatabase, startLogProcess, type TestEvent } from '../log.fixture.ts';
import type { Consumer, ConsumerDefinition } from './consumer.ts';

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

interface Setting extends LogProcess {
  stream: StreamInfo;
  effects: Effects;
  consume(definition?: Partial<ConsumerDefinition>): Promise<Consumer>;
  group: ReturnType<LogProcess['streams']['group']>;
}

async function setUp(log: Log = silentLog): Promise<Setting> {
  made += 1;
  const process = await startLogProcess(started.database, { seed: made, log });
  running.push(process.streams);
  const stream = await process.streams.declare(`poison${made}`, 4);
  const effects = createEffects(started.database.core, stream.name);
  return {
    ...process,
    stream,
    effects,
    group: process.streams.group(stream.name, 'effects'),
    async consume(definition = {}) {
      const whole = {
        stream: stream.name,
        group: 'effects',
        attemptsMax: 3,
        backoffBaseMs: 1000,
        ...definition,
      };
      const consumer = process.streams.createConsumer(whole, effects);
      running.push(consumer);
      await consumer.start(signal);
      return consumer;
    },
  };
}

const numbered = (key: string, ...numbers: number[]): TestEvent[] =>
  numbers.map((n) => ({ key, payload: { n } }));
const numberOf = ({ payload }: StreamEvent) => (payload as { n: number }).n;

/** Refuses events of a key while told to. */
function refuse(effects: Effects, is: (event: StreamEvent) => boolean): { times: number } {
  const refused = { times: 0 };
  effects.setFault((events) => {
    if (!events.some(is)) return;
    if (events.length === 1) refused.times += 1;
    throw new Error('it is no good');
  });
  return refused;
}

function reached(
  what: string,
  { clock }: LogProcess,
  is: () => Promise<boolean> | boolean,
): Promise<unknown> {
  return eventually(what, async () => {
    clock.advance(100);
    return is();
  });
}

const handledNumbers = async ({ effects }: Setting, key: string, count: number) => {
  await eventually(`${count} of ${key}`, async () => (await effects.numbers(key)).length >= count);
  return effects.numbers(key);
};

test('a poison event is set aside with the later ones of its key, while other keys go on', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume } = setting;
  const refused = refuse(effects, (event) => event.key === 'bad' && numberOf(event) === 2);
  await consume();
  await publish(stream, [...numbered('bad', 1, 2, 3), ...numbered('good', 1, 2)]);
  await publish(stream, [...numbered('bad', 4), ...numbered('good', 3)]);
  assert.deepEqual(await handledNumbers(setting, 'good', 3), [1, 2, 3]);
  await reached('it was tried again', setting, () => refused.times >= 2);
  assert.deepEqual(await effects.numbers('bad'), [1]);
  effects.setFault(() => {});
  await reached('the key goes on', setting, async () => (await effects.numbers('bad')).length === 4);
  assert.deepEqual(await effects.numbers('bad'), [1, 2, 3, 4]);
  await publish(stream, numbered('bad', 5));
  assert.deepEqual(await handledNumbers(setting, 'bad', 5), [1, 2, 3, 4, 5]);
});

test('after its attempts it is parked with its error, is listed, and its key waits', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group, metrics } = setting;
  const refused = refuse(effects, ({ key }) => key === 'bad');
  await consume();
  await publish(stream, [...numbered('bad', 1, 2, 3), ...numbered('good', 1)]);
  await reached('it is parked', setting, async () => (await group.parked({ limit: 10 })).length === 1);
  const [parked] = await group.parked({ limit: 10 });
  assert.equal(parked?.event.key, 'bad');
  assert.deepEqual(parked?.event.payload, { n: 1 });
  assert.match(parked?.error ?? '', /it is no good/);
  assert.equal(parked?.attempts, 3);
  assert.equal(parked?.behind, 2);
  // Once in a batch with its neighbours, at most, and then alone.
  assert.equal(refused.times, 3);
  setting.clock.advance(100_000);
  await publish(stream, numbered('good', 2));
  await handledNumbers(setting, 'good', 2);
  assert.deepEqual(await effects.numbers('bad'), []);
  const labels = `{stream="${stream.name}",group="effects"}`;
  const scraped = await metrics.registry.metrics();
  assert(scraped.includes(`loadstone_stream_events_parked_total${labels} 1`));
  assert(scraped.includes(`loadstone_stream_events_refused_total${labels} 3`));
});

test('a redriven event is handled, and those behind it after it', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  refuse(effects, ({ key }) => key === 'bad');
  await consume();
  await publish(stream, numbered('bad', 1, 2, 3));
  await reached('it is parked', setting, async () => (await group.parked({ limit: 10 })).length === 1);
  effects.setFault(() => {});
  assert.equal(await group.redrive(), 1);
  assert.deepEqual(await handledNumbers(setting, 'bad', 3), [1, 2, 3]);
  assert.deepEqual(await group.parked({ limit: 10 }), []);
  assert.equal(await group.redrive(), 0);
});

test('of several parked events only those named are redriven', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  refuse(effects, () => true);
  await consume({ attemptsMax: 1 });
  await publish(stream, [...numbered('a', 1), ...numbered('b', 1), ...numbered('c', 1)]);
  await reached('they are parked', setting, async () => (await group.parked({ limit: 10 })).length === 3);
  effects.setFault(() => {});
  const parked = await group.parked({ limit: 10 });
  const b = parked.find(({ event }) => event.key === 'b')!;
  assert.equal(await group.redrive([b.event.position]), 1);
  assert.deepEqual(await handledNumbers(setting, 'b', 1), [1]);
  assert.deepEqual((await group.parked({ limit: 10 })).map(({ event }) => event.key).sort(), ['a', 'c']);
  assert.deepEqual((await effects.keys()).sort(), ['b']);
});

test('the log tells of each failure with the trace of the request, and the event keeps it', async () => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', service: 'test' }, { write: (line) => void lines.push(line) });
  const setting = await setUp(log);
  const { publish, stream, effects, consume, group } = setting;
  refuse(effects, ({ key }) => key === 'bad');
  await consume({ attemptsMax: 2 });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await publish(stream, [{ key: 'bad', payload: { n: 1 }, traceparent }]);
  await reached('it is parked', setting, async () => (await group.parked({ limit: 1 })).length === 1);
  const [parked] = await group.parked({ limit: 1 });
  assert.equal(parked?.event.traceparent, traceparent);
  await eventually('it is told', () => lines.length >= 2);
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    told.map(({ msg }) => msg),
    ['an event could not be handled and is set aside', 'an event was parked'],
  );
  for (const line of told) {
    assert.equal(line.traceId, '0af7651916cd43dd8448eb211c80319c');
    assert.equal(line.position, parked?.event.position);
  }
});

test('a discarded event has no effect, and those behind it go on', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  refuse(effects, (event) => event.key === 'bad' && numberOf(event) < 3);
  await consume();
  await publish(stream, numbered('bad', 1, 2, 3, 4));
  for (const n of [1, 2]) {
    await reached(`${n} is parked`, setting, async () => {
      const [parked] = await group.parked({ limit: 10 });
      return parked !== undefined && numberOf(parked.event) === n;
    });
    const [parked] = await group.parked({ limit: 1 });
    assert.equal(await group.discard([parked!.event.position]), 1);
  }
  await reached('the key goes on', setting, async () => (await effects.numbers('bad')).length === 2);
  assert.deepEqual(await effects.numbers('bad'), [3, 4]);
});

test('one that is set aside stays so over a restart, and another process can redrive it', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume } = setting;
  const refused = refuse(effects, ({ key }) => key === 'bad');
  const first = await consume({ attemptsMax: 1 });
  await publish(stream, numbered('bad', 1, 2));
  await eventually('it is refused', () => refused.times > 0);
  await first.stop(signal);
  effects.setFault(() => {});
  await consume({ attemptsMax: 1 });
  await publish(stream, [...numbered('bad', 3), ...numbered('good', 1)]);
  await handledNumbers(setting, 'good', 1);
  assert.deepEqual(await effects.numbers('bad'), []);
  const other = await startLogProcess(started.database, { seed: 99 });
  running.push(other.streams);
  assert.equal(await other.streams.group(stream.name, 'effects').redrive(), 1);
  await reached(
    'it is handled after a beat',
    setting,
    async () => (await effects.numbers('bad')).length === 3,
  );
  assert.deepEqual(await effects.numbers('bad'), [1, 2, 3]);
});

test('a poison event among hundreds is found in a few batches', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume } = setting;
  refuse(effects, ({ key }) => key === 'k307');
  await publish(
    stream,
    Array.from({ length: 500 }, (_, i) => ({ key: `k${i}`, payload: { n: i } })),
  );
  await consume();
  await eventually('the others are handled', async () => (await effects.keys()).length === 499);
  assert(effects.batches.length < 40, `${effects.batches}`);
});

test('too much set aside stops its partition, and nothing overtakes; discarding lets it go on', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  refuse(effects, ({ key }) => key === 'bad');
  const consumer = await consume({ attemptsMax: 1, asideMax: 5, batchMax: 4 });
  await publish(stream, numbered('bad', ...Array.from({ length: 20 }, (_, i) => i)));
  await eventually('it stands still', () => consumer.health().status === 'failing');
  const health = consumer.health();
  assert(health.status === 'failing' && /too much is set aside in partition \d/.test(health.reason));
  effects.setFault((events) => {
    if (events.some((event) => numberOf(event) === 0)) throw new Error('it is no good');
  });
  const [parked] = await group.parked({ limit: 1 });
  const aside = 1 + (parked?.behind ?? 0);
  assert(aside >= 5 && aside < 5 + 4, `at the bound, and less than a batch more: ${aside}`);
  await group.discard([parked!.event.position]);
  await reached('it goes on', setting, async () => (await effects.numbers('bad')).length === 19);
  assert.deepEqual(
    await effects.numbers('bad'),
    Array.from({ length: 19 }, (_, i) => i + 1),
  );
  assert.deepEqual(consumer.health(), { status: 'ok' });
});

test('a handler that does not end is cut off, and that counts as a failure', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  effects.setFault((events) =>
    events.some(({ key }) => key === 'slow') ? new Promise(() => {}) : undefined,
  );
  await consume({ attemptsMax: 1, batchTimeoutMs: 2000 });
  await publish(stream, [...numbered('slow', 1), ...numbered('good', 1)]);
  await reached('it is parked', setting, async () => (await group.parked({ limit: 1 })).length === 1);
  const [parked] = await group.parked({ limit: 1 });
  assert.match(parked?.error ?? '', /not finished within 2000 ms/);
  assert.deepEqual(await handledNumbers(setting, 'good', 1), [1]);
  assert.deepEqual(await effects.numbers('slow'), []);
});

test('a statement or a commit that fails counts as a failure of the event, also when the handler hides it', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  const failing = sql`select 1 / (${0}::integer)`;
  effects.setFault(async (events, tx: Queryable) => {
    const [event] = events;
    if (event?.key === 'hidden') await tx.run(failing).catch(() => {});
    // Found at the commit only: the key is deferred.
    if (event?.key === 'deferred') {
      await tx.run(sql`
        insert into core.test_effects (name, event_id, key, n) values (${stream.name}, ${event.id}, 'twice', 0)`);
    }
  });
  await consume({ attemptsMax: 1, batchMax: 1 });
  await publish(stream, [
    ...numbered('refused', 5000),
    ...numbered('hidden', 1),
    ...numbered('deferred', 1),
    ...numbered('good', 1),
  ]);
  await handledNumbers(setting, 'good', 1);
  await reached('three are parked', setting, async () => (await group.parked({ limit: 10 })).length === 3);
  assert.deepEqual((await group.parked({ limit: 10 })).map(({ event }) => event.key).sort(), [
    'deferred',
    'hidden',
    'refused',
  ]);
  assert.deepEqual(await effects.keys(), ['good']);
});

test('an outage is nobody’s fault: the batch is tried again, as often as it takes', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  let outages = 0;
  effects.setFault(() => {
    outages += 1;
    if (outages > 8) return;
    throw new Error('the handler says so', { cause: streamErrors.consumer_fenced() });
  });
  const consumer = await consume({ attemptsMax: 1 });
  await publish(stream, numbered('a', 1, 2));
  await reached('it is failing', setting, () => consumer.health().status === 'failing');
  await reached('all are handled', setting, async () => (await effects.numbers('a')).length === 2);
  assert.deepEqual(await group.parked({ limit: 1 }), []);
  await eventually('it is well', () => consumer.health().status === 'ok');
});

test('what an error says is kept, even what Postgres cannot store', async () => {
  const setting = await setUp();
  const { publish, stream, effects, consume, group } = setting;
  effects.setFault(() => {
    throw new Error(`a\0b${'x'.repeat(5000)}`);
  });
  await consume({ attemptsMax: 1 });
  await publish(stream, numbered('a', 1));
  await eventually('it is parked', async () => (await group.parked({ limit: 1 })).length === 1);
  const [parked] = await group.parked({ limit: 1 });
  assert.match(parked?.error ?? '', /^a bx+$/);
  assert.equal(parked?.error.length, 2000);
});
