import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const outboxOptions = optionsSchema(
  {
    batchMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 1000,
      description: 'Events that the relay moves to the log in one transaction.',
    }),
    pollMs: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 20,
      description:
        'How often the relay looks for events that another process has written, while it cannot be told of them (`wakeup`).',
    }),
    lagMax: Type.Integer({
      minimum: 100,
      maximum: 10_000_000,
      default: 100_000,
      description:
        'Events that may wait for the relay. Past it, mutations are refused with `outbox_full` until it has caught up.',
    }),
    leaseMs: Type.Integer({
      minimum: 500,
      maximum: 600_000,
      default: 5000,
      description:
        'How long the relay may be silent before another process takes over. After a crash events wait for this long.',
    }),
  },
  'The outbox: events on their way from the transactions that wrote them to the log.',
);

export type OutboxOptions = Static<typeof outboxOptions>;
