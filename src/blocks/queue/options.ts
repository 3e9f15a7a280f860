import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

const DAY_MS = 86_400_000;

export const queueOptions = optionsSchema(
  {
    pollMs: Type.Integer({
      minimum: 5,
      maximum: 60_000,
      default: 20,
      description:
        'How often a worker with nothing to do looks for jobs that other processes have enqueued, while it cannot be told of them (`wakeup`).',
    }),
    leaseMs: Type.Integer({
      minimum: 1000,
      maximum: 600_000,
      default: 30_000,
      description:
        'How long a worker that is not heard of keeps the jobs it has in flight; renewed every third of it. The jobs of a killed worker run again after this.',
    }),
    prefetchMax: Type.Integer({
      minimum: 0,
      maximum: 10_000,
      default: 4000,
      description:
        'Jobs that a worker may have in flight of a queue beyond those it runs. It takes as many as it runs in 50 ms, so none where jobs take long.',
    }),
    waitingMax: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 1_000_000,
      description: 'Jobs that may wait in a queue, unless its definition says otherwise.',
    }),
    blockMsMax: Type.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 5000,
      description: 'How long an enqueue waits for room in a full queue that blocks, before `queue_full`.',
    }),
    attemptsMax: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 10,
      description: 'Attempts of a job before it is dead, unless it or its queue says otherwise.',
    }),
    timeoutMs: Type.Integer({
      minimum: 10,
      maximum: 7 * DAY_MS,
      default: 600_000,
      description:
        'When the signal of an attempt aborts and it counts as failed, unless the queue says otherwise.',
    }),
    backoffBaseMs: Type.Integer({
      minimum: 1,
      maximum: DAY_MS,
      default: 1000,
      description:
        'The wait after a first failed attempt; doubled after each further one, half to all of it by chance.',
    }),
    backoffMaxMs: Type.Integer({
      minimum: 1,
      maximum: 30 * DAY_MS,
      default: 3_600_000,
      description: 'The longest wait between two attempts.',
    }),
    priorityStepMs: Type.Integer({
      minimum: 0,
      maximum: DAY_MS,
      default: 60_000,
      description:
        'The head start that each step of priority (0–9) gives a job. Jobs enqueued so much earlier go first all the same: so the low ones run too.',
    }),
    historyMs: Type.Integer({
      minimum: DAY_MS,
      maximum: 400 * DAY_MS,
      default: 7 * DAY_MS,
      description: 'How long finished jobs can be looked up. Dropped by the day.',
    }),
    deadMs: Type.Integer({
      minimum: DAY_MS,
      maximum: 400 * DAY_MS,
      default: 30 * DAY_MS,
      description: 'How long dead jobs wait to be redriven, then they are deleted.',
    }),
  },
  'Jobs.',
);

export type QueueOptions = Static<typeof queueOptions>;
