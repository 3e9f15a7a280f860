import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const idempotencyOptions = optionsSchema(
  {
    retentionMs: Type.Integer({
      minimum: 60_000,
      maximum: 2_592_000_000,
      default: 86_400_000,
      description: 'How long an answer is kept for its Idempotency-Key.',
    }),
    sweepEveryMs: Type.Integer({
      minimum: 1000,
      maximum: 3_600_000,
      default: 60_000,
      description: 'How often expired answers are deleted, in batches.',
    }),
  },
  'Idempotency-Key: the same request twice has one outcome.',
);

export type IdempotencyOptions = Static<typeof idempotencyOptions>;
