import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Type from 'typebox';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { createWorker, defineQueue, handlerOf, queueOptions } from '#blocks/queue';
import { defineEvent } from '#blocks/stream';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { coreMigrations, createTestCore, startTestCore, type TestCoreSettings } from './fixture.ts';

const Named = Type.Object({ name: Type.String() });
const made = defineEvent('thing.made', Named, { stream: 'things', key: ({ name }) => name });
const mail = defineQueue('mail', Named);
const settings: TestCoreSettings = { streams: [{ name: 'things', partitions: 4 }], queues: [mail] };
const never = new AbortController().signal;

describe('core', () => {
  let it: TestDatabase;
  before(async () => {
    it = await startTestDatabase({ migrations: coreMigrations });
  });
  after(() => it.stop());

  const make = (more: TestCoreSettings = {}) =>
    createTestCore({ database: it.database, metrics: createMetrics() }, { ...settings, ...more });

  lifecycleSuite('a core', async () => make());

  test('what a rule publishes and enqueues arrives, in another process too', async () => {
    const one = await startTestCore(it, settings);
    const other = await startTestCore(
      { database: it.database, metrics: createMetrics() },
      { ...settings, isCandidate: false },
    );
    const told: string[] = [];
    const mailed: string[] = [];
    const tail = await other.streams.follow([made], {
      after: 'latest',
      onEvents: (events) => void told.push(...events.map(({ payload }) => payload.name)),
      onEnd: (error) => assert.fail(String(error)),
    });
    const worker = createWorker(
      { ...parseOptions(queueOptions, {}), queues: { mail: { concurrency: 1 } } },
      {
        ...{ clock: systemClock, random: systemRandom, log: silentLog, queue: other.queue },
        handlers: {
          mail: handlerOf(mail, async ({ payload }) => {
            mailed.push(payload.name);
            return null;
          }),
        },
      },
    );
    await worker.start(never);
    await one.mutations.write(
      { placement: { system: 'test', workspaceId: '1', bucket: 0 }, traceparent: undefined, signal: never },
      async (tx) => {
        tx.publish(made.of({ name: 'kettle' }));
        tx.enqueue(mail.job({ name: 'kettle' }));
      },
    );
    await eventually('both have arrived', () => told.length > 0 && mailed.length > 0);
    assert.deepEqual([told, mailed], [['kettle'], ['kettle']]);
    await worker.stop(never);
    await tail.close();
    await other.stop();
    await one.stop();
  });

  test('a stream that is declared with other partitions stops the start', async () => {
    const one = make();
    await one.start(never);
    await one.stop(never);
    const other = make({ streams: [{ name: 'things', partitions: 8 }] });
    await assert.rejects(other.start(never), { code: 'stream_partitions_fixed' });
    assert.equal(other.health().status, 'failing');
  });
});
