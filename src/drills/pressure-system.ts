/**
 * A system for drills alone: a queue with a small bound, and a route that enqueues into it.
 */
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { defineQueue, queueErrors } from '#blocks/queue';
import { defineRoute, defineSystem, handleQueue, handleRoute } from '#blocks/system';

/** Jobs that may wait. */
export const PRESSURE_MAX = 300;
export const PRESSURE_QUEUE = 'pressure_jobs';

const pressureQueue = defineQueue(PRESSURE_QUEUE, Type.Object({}), {
  waitingMax: PRESSURE_MAX,
  whenFull: 'reject',
});

/** The module that a server's `systems` names: this one, compiled or not. */
export const pressurePath: string = import.meta.filename;

const enqueue = defineRoute({
  method: 'POST',
  idempotency: 'none',
  path: '/v1/pressure',
  id: 'enqueuePressure',
  summary: 'Enqueue a job that does nothing',
  access: 'pressure:write',
  body: Type.Object({}, { additionalProperties: false }),
  replies: { 201: Type.Object({ jobId: Type.String() }) },
  errors: [queueErrors.queue_full],
});

export default defineSystem({
  name: 'pressure',
  summary: 'Gives drills a queue that is soon full.',
  options: optionsSchema({}),
  drill: {
    operations: {
      enqueue: {
        ...{ route: enqueue, effect: 'work', weight: 80, job: pressureQueue.name },
        request: () => ({ method: 'POST', path: enqueue.path, body: {} }),
      },
    },
  },
  queues: [pressureQueue],
  create: () => ({
    routes: [
      handleRoute(enqueue, (_, { principal: { workspaceId }, mutate }) =>
        mutate(
          { shardKey: workspaceId },
          async (tx) => tx.enqueue(pressureQueue.job({})),
          (jobId) => ({ status: 201, body: { jobId } }),
        ),
      ),
    ],
    jobs: [handleQueue(pressureQueue, { concurrency: 4, handle: async () => {} })],
  }),
});
