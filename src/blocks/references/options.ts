import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const referencesOptions = optionsSchema(
  {
    batchMax: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 200,
      description: 'Referring rows removed in one transaction when what they refer to has been deleted.',
    }),
    batchesPerJob: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 50,
      description:
        'Batches that one job removes before another one goes on, so that other deletions get their turn.',
    }),
    pageMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 500,
      description: 'Referring rows looked at together when dangling ones are searched for.',
    }),
    pagesPerJob: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 100,
      description: 'Pages that one job of a sweep looks at before another one goes on from there.',
    }),
    sweepPattern: Type.String({
      minLength: 1,
      maxLength: 100,
      default: '23 3 * * *',
      description:
        'When all references are swept for dangling rows: a cron pattern, in UTC. By default once a day.',
    }),
  },
  'References between systems, which no foreign key can keep.',
);

export type ReferencesOptions = Static<typeof referencesOptions>;
