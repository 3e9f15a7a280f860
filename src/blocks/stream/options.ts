import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const streamOptions = optionsSchema(
  {
    retentionMs: Type.Integer({
      minimum: 60_000,
      maximum: 31_536_000_000,
      default: 604_800_000,
      description:
        'How long events are kept at least, except for `bytesMax`. They go in segments, so some stay an eighth longer. What a consumer group has not read yet is kept however old it is.',
    }),
    bytesMax: Type.Integer({
      minimum: 16_777_216,
      maximum: 1_099_511_627_776,
      default: 10_737_418_240,
      description:
        'How large the log may grow on disk, with its indexes. Past it the oldest segment goes, read or not. A group that loses unread events so is told: it stands still there with `position_expired` until it seeks.',
    }),
    segmentEvents: Type.Integer({
      minimum: 1000,
      maximum: 10_000_000,
      default: 1_000_000,
      description: 'Positions in one segment of the log. A segment is a table, dropped as a whole.',
    }),
    pollMs: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 20,
      description:
        'How often a process looks for events that another process has appended, while it cannot be told of them (`wakeup`).',
    }),
    leaseMs: Type.Integer({
      minimum: 500,
      maximum: 600_000,
      default: 5000,
      description:
        'How long a member of a consumer group may be silent before others take its partitions. It beats five times as often, one that is alone half as often.',
    }),
    batchMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 500,
      description: 'Events given to a consumer at once, and committed with one offset.',
    }),
    batchBytesMax: Type.Integer({
      minimum: 262_144,
      maximum: 268_435_456,
      default: 8_388_608,
      description: 'Payload given to a consumer at once.',
    }),
    batchTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 20_000,
      description:
        'How long a consumer may work on a batch before it is cut off, which counts as a failure. Keep it below `database.statementTimeoutMs`.',
    }),
    attemptsMax: Type.Integer({
      minimum: 1,
      maximum: 100,
      default: 10,
      description: 'How often a consumer tries an event before it is parked.',
    }),
    backoffBaseMs: Type.Integer({
      minimum: 1,
      maximum: 3_600_000,
      default: 200,
      description: 'Wait after the first failure of an event; doubles with each further one, with jitter.',
    }),
    backoffMaxMs: Type.Integer({
      minimum: 1,
      maximum: 86_400_000,
      default: 60_000,
      description: 'Longest wait between two attempts at an event.',
    }),
    asideMax: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 1000,
      description:
        'Events that a consumer group may set aside per partition: failing ones, and later ones of the same keys. At this number the partition stands still, so that nothing is lost or overtaken, until some are handled, redriven or discarded.',
    }),
  },
  'Streams: the log of events, and those who consume it.',
);

export type StreamOptions = Static<typeof streamOptions>;
