import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { POLICIES, type PolicyName } from './policy-names.ts';

const DAY_MS = 86_400_000;

const milliseconds = (preset: number, maximum: number, description: string) =>
  Type.Integer({ minimum: 0, maximum, default: preset, description });

export const cacheOptions = optionsSchema({
  policy: Type.Union(
    POLICIES.map((name) => Type.Literal(name)),
    { default: 'window-tiny-lfu', description: 'Which entry goes when there is no room for another.' },
  ),
  entriesMax: Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    default: 10_000,
    description: 'Entries kept in memory, about 0.1 KB each beside their keys and values.',
  }),
  bytesMax: Type.Integer({
    minimum: 0,
    maximum: 2 ** 40,
    default: 0,
    description: 'What all entries may take together, by `sizeOf`; 0: bytes are not counted.',
  }),
  entryBytesMax: Type.Integer({
    minimum: 1,
    maximum: 2 ** 40,
    default: 1_048_576,
    description: 'An entry that takes more is not kept. Nothing where bytes are not counted.',
  }),
  ttlMs: milliseconds(30_000, 30 * DAY_MS, 'For which a value is fresh after it was read.'),
  ttlJitter: Type.Number({
    minimum: 0,
    maximum: 0.9,
    default: 0.1,
    description:
      'Up to this share of `ttlMs` is taken off, at random, so that what was read together is not read again together.',
  }),
  negativeTtlMs: milliseconds(
    5000,
    DAY_MS,
    'For which it is remembered that there is no value; 0: it is not.',
  ),
  refreshAheadShare: Type.Number({
    minimum: 0,
    maximum: 0.95,
    default: 0,
    description:
      'A hit in this last share of the time of a value has it read anew in the background; 0: not before it is over.',
  }),
  staleWhileRevalidateMs: milliseconds(
    0,
    30 * DAY_MS,
    'So long after a value is no longer fresh it is still given, while it is read anew in the background.',
  ),
  staleIfErrorMs: milliseconds(
    0,
    30 * DAY_MS,
    'So long after a value is no longer fresh it is given when it cannot be read anew.',
  ),
  staleMsMax: milliseconds(
    30 * DAY_MS,
    30 * DAY_MS,
    'Nothing older than this is ever given, whatever the other times say.',
  ),
  errorHoldMs: milliseconds(
    1000,
    3_600_000,
    'After a failed reading the value that is given instead is not read again for so long.',
  ),
  heartbeatMsMax: milliseconds(
    1000,
    3_600_000,
    'Of other processes nothing was heard for so long: each value is read anew before it is given, once in this time. Only with a bus.',
  ),
  loadTimeoutMs: Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 5000,
    description: 'For which the origin may take to give a value.',
  }),
  loadsMax: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1000,
    description: 'Values that are read at the same time; one more gets 503.',
  }),
  outdatedLoadsMax: Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 3,
    description: 'So often a value is read that turns out to be older than a change already known.',
  }),
  sweepEveryMs: Type.Integer({
    minimum: 100,
    maximum: 3_600_000,
    default: 1000,
    description: 'How often entries whose time is over are looked for, while the cache is started.',
  }),
  sweepEntriesMax: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 1000,
    description: 'Entries looked at each time.',
  }),
  writesMax: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 1000,
    description:
      'Values that may wait to be written behind; one more gets 503. So many are lost at most when the process dies.',
  }),
  writeBehindMs: milliseconds(
    100,
    60_000,
    'After which a value is written behind. What is younger is lost when the process dies.',
  ),
  writeBatchMax: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 100,
    description: 'Values written behind in one call.',
  }),
  ghostShare: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0,
    description:
      'Share of the keys whose requests are followed in ghost caches, which tell what other sizes and policies would give; 0: none. All of them together hold some thirty times this share of the entries, without values.',
  }),
  hotKeysMax: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    default: 0,
    description: 'So many of the most requested keys are counted; 0: none.',
  }),
});

export type CacheOptions = Omit<Static<typeof cacheOptions>, 'policy'> & { policy: PolicyName };
