import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const projectionOptions = optionsSchema(
  {
    batchMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 1000,
      description:
        'Events that verify and rebuild apply at once. A rebuild swaps its table in when no more than this are left, or up to 32 times as many where writers would outrun it; for these the table is locked.',
    }),
    pendingMax: Type.Integer({
      minimum: 1000,
      maximum: 10_000_000,
      default: 200_000,
      description:
        'Events that verify applies before it compares, and ids of events in the outbox that a rebuild keeps in mind. Past it they are refused with `projection_behind`.',
    }),
    timeoutMs: Type.Integer({
      minimum: 1000,
      maximum: 604_800_000,
      default: 21_600_000,
      description: 'How long one verify or one rebuild may take.',
    }),
    waitMs: Type.Integer({
      minimum: 1000,
      maximum: 86_400_000,
      default: 60_000,
      description: 'How long a rebuild waits for the relay, and tries to have its table swapped in.',
    }),
    lockTimeoutMs: Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 1000,
      description:
        'How long the swap of a rebuilt table waits for a transaction that uses the table, before it lets those through that wait behind it, and tries again.',
    }),
  },
  'Projections: tables made from events.',
);

export type ProjectionOptions = Static<typeof projectionOptions>;
