import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const xminWatchOptions = optionsSchema(
  {
    everyMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 15_000,
      description:
        'Time between two looks at what holds back vacuum; each costs Postgres about half a millisecond.',
    }),
    warnAgeMs: Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      default: 60_000,
      description: 'How long a snapshot or transaction may last before it is warned of.',
    }),
    warnAgeTransactions: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 1_000_000,
      description:
        'How many transactions may have begun since a snapshot before it is warned of, however short it has lasted.',
    }),
    repeatMsMin: Type.Integer({
      minimum: 1000,
      maximum: 86_400_000,
      default: 60_000,
      description:
        'Least time between two log lines while vacuum is held back; doubles with each line about the same owner.',
    }),
    repeatMsMax: Type.Integer({
      minimum: 1000,
      maximum: 86_400_000,
      default: 3_600_000,
      description: 'The time between two such lines grows up to this.',
    }),
    queryLengthMax: Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 200,
      description:
        'Characters of a session’s query that are told with it. They can hold literals that another program has written into its SQL; 0 leaves the text out.',
    }),
  },
  'What holds back vacuum, and when to warn of it.',
);

export type XminWatchOptions = Static<typeof xminWatchOptions>;
