import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const mutationOptions = optionsSchema(
  {
    setCallsMax: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 128,
      description: 'Calls of one rule that travel to the database in one transaction.',
    }),
    setBytesMax: Type.Integer({
      minimum: 1024,
      maximum: 67_108_864,
      default: 1_048_576,
      description: 'Of the bodies of the calls in one transaction.',
    }),
    setsUnderWayMax: Type.Integer({
      minimum: 1,
      maximum: 16,
      default: 2,
      description:
        'Transactions of one rule that are on their way at once; calls that come meanwhile gather for the next.',
    }),
    setWaitingMax: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 10_000,
      description:
        'Calls of one rule that wait for a transaction. Past it they are refused with `database_busy`.',
    }),
    setTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 20_000,
      description:
        'How long one such transaction may take. A call whose own deadline passes earlier ends alone.',
    }),
  },
  'Mutations: requests that change something, many of them in one transaction.',
);

export type MutationOptions = Static<typeof mutationOptions>;
