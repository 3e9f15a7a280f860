import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const breakerOptions = optionsSchema(
  {
    failuresInRow: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 10,
      description: 'It opens after so many failures without a success between them.',
    }),
    failureShare: Type.Number({
      minimum: 0.01,
      maximum: 1,
      default: 0.5,
      description: 'It opens when this share of the calls of the last `windowMs` has failed, or more.',
    }),
    callsMin: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 20,
      description: 'Of fewer calls than this in `windowMs` no share is taken.',
    }),
    windowMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 10_000,
      description: 'The time over which the share is taken, in tenths.',
    }),
    openMs: Type.Integer({
      minimum: 10,
      maximum: 600_000,
      default: 1000,
      description:
        'For about so long nothing is asked; then probes are. Doubled each time that a probe fails, and spread by half.',
    }),
    openMsMax: Type.Integer({
      minimum: 10,
      maximum: 3_600_000,
      default: 30_000,
      description: 'The longest it becomes by doubling.',
    }),
    probesMax: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 1,
      description: 'So many calls are let through at a time to find out whether it answers again.',
    }),
    probesNeeded: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 2,
      description: 'So many of them must succeed in a row for it to close.',
    }),
    probeMsMax: Type.Integer({
      minimum: 10,
      maximum: 600_000,
      default: 5000,
      description: 'When the probes have not decided within this, they count as failed.',
    }),
  },
  'When what keeps failing is left alone.',
);

export type BreakerOptions = Static<typeof breakerOptions>;

export const bulkheadOptions = optionsSchema(
  {
    concurrencyMax: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 64,
      description: 'So many calls are under way at a time.',
    }),
    waitingMax: Type.Integer({
      minimum: 0,
      maximum: 100_000,
      default: 256,
      description: 'So many more wait for their turn; one more is refused.',
    }),
    waitMsMax: Type.Integer({
      minimum: 1,
      maximum: 600_000,
      default: 1000,
      description: 'For so long; then they are refused too.',
    }),
  },
  'How much of one kind may be under way.',
);

export type BulkheadOptions = Static<typeof bulkheadOptions>;
