/**
 * Queues without a handler and handlers without a queue stop the start.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Type from 'typebox';
import { defineQueue } from '#blocks/queue';
import { handleQueue } from '#blocks/system';
import { makeTestDirectory } from '#fixtures/database';
import { startTestServer } from '../server.fixture.ts';
import { checkQueues } from './queues-handled.ts';

const [mail, index, other] = ['notes_mail', 'notes_index', 'other'].map((name) =>
  defineQueue(name, Type.Object({ noteId: Type.String() })),
) as [ReturnType<typeof defineQueue>, ReturnType<typeof defineQueue>, ReturnType<typeof defineQueue>];
const handle = (queue: typeof mail) => handleQueue(queue, { concurrency: 1, handle: async () => {} });
const nightly = other.schedule({
  ...{ name: 'notes_nightly', pattern: '0 3 * * *', workspaceId: '0', bucket: 0 },
  payload: () => ({}),
});

test('queues and handlers that belong together', () => {
  checkQueues({ name: 'notes' }, {});
  checkQueues({ name: 'notes', queues: [mail, index] }, { jobs: [handle(index), handle(mail)] });
});

test('what does not belong together is named, with its system', () => {
  for (const [definition, jobs, said] of [
    [{ queues: [mail, index] }, [mail], 'declares the queue "notes_index", and none of its jobs handles it'],
    [{ queues: [mail] }, [mail, index], 'handles the queue "notes_index", which is not among its queues'],
    [{}, [mail], 'handles the queue "notes_mail", which is not among its queues'],
    [{ queues: [mail] }, [mail, mail], 'handles the queue "notes_mail" twice'],
    [
      { queues: [mail], schedules: [nightly] },
      [mail],
      'has the schedule "notes_nightly" of the queue "other", which is not among its queues',
    ],
  ] as const) {
    assert.throws(() => checkQueues({ name: 'notes', ...definition }, { jobs: jobs.map(handle) }), {
      code: 'system_invalid',
      message: `the system notes ${said}`,
    });
  }
  assert.throws(() => checkQueues({ name: 'notes', queues: [mail] }, { jobs: [handle(index)] }), {
    message: /notes_mail.*; it handles the queue "notes_index"/,
  });
});

test('a handler has the payload of its queue', () => {
  const typed = defineQueue('typed', Type.Object({ noteId: Type.String() }));
  handleQueue(typed, {
    concurrency: 1,
    async handle({ payload }) {
      assert.equal(payload.noteId.length, 0);
      // @ts-expect-error: the payload has no such field
      assert.equal(payload.colour, undefined);
    },
  });
});

test('a server with such a system does not start', async () => {
  const path = join(makeTestDirectory(), 'lazy.mjs');
  writeFileSync(
    path,
    `import { defineQueue, defineSystem, optionsSchema, Type } from 'loadstone';
export default defineSystem({
  name: 'lazy', summary: 'Handles nothing.', options: optionsSchema({}),
  queues: [defineQueue('lazy_work', Type.Object({}))],
  create: () => ({ routes: [] }),
});
`,
  );
  await assert.rejects(startTestServer({ systems: [path] }), {
    code: 'system_invalid',
    message: 'the system lazy declares the queue "lazy_work", and none of its jobs handles it',
  });
});
