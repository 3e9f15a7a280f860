import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const idsOptions = optionsSchema(
  {
    leaseMs: Type.Integer({
      minimum: 3000,
      maximum: 600_000,
      default: 30_000,
      description:
        'How far ahead of its clock a process reserves its worker number; renewed every third of it. A process issues ids for at least two thirds of this without the database, and the worker number of a crashed one is free again after it.',
    }),
  },
  'Ids: 64 bits, ordered by time.',
);

export type IdsOptions = Static<typeof idsOptions>;

export const codeSpaceOptions = optionsSchema(
  {
    blockSize: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 1000,
      description:
        'Short codes that a process reserves at once, for one round trip to the database. What is left of them at a restart or crash is never used.',
    }),
  },
  'Short codes.',
);

export type CodeSpaceOptions = Static<typeof codeSpaceOptions>;
