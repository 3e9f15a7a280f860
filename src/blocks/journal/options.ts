import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { RECORD_BYTES_CEILING } from './files/frames.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const journalOptions = optionsSchema(
  {
    fsync: Type.Boolean({
      default: false,
      description:
        'Whether a record is acknowledged only when the disk has it, once per group. Without, an acknowledged record survives a killed process, not a power cut.',
    }),
    whenFull: Type.Union([Type.Literal('reject'), Type.Literal('drop_new')], {
      default: 'reject',
      description:
        'What happens to a new record when the disk is full or `bytesMax` is reached: its request is refused with `journal_full`, or it is dropped and counted.',
    }),
    bytesMax: Type.Integer({
      minimum: 256 * KIB,
      maximum: 1024 * 1024 * MIB,
      default: 1024 * MIB,
      description: 'Bytes on disk that a process keeps for records that wait for the database.',
    }),
    fileBytesMax: Type.Integer({
      minimum: 64 * KIB,
      maximum: 1024 * MIB,
      default: 16 * MIB,
      description:
        'A file is closed and another begun at this size, or at a quarter of `bytesMax` if that is less; it is deleted when all of it has been shipped.',
    }),
    fileAgeMsMax: Type.Integer({
      minimum: 1000,
      maximum: 86_400_000,
      default: 60_000,
      description: 'A file is closed and another begun at this age, however small it is.',
    }),
    adoptEveryMs: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 5000,
      description:
        'How often a process looks for journals that others on this machine have left behind, to ship them.',
    }),
    recordBytesMax: Type.Integer({
      minimum: 16,
      maximum: RECORD_BYTES_CEILING,
      default: 64 * KIB,
      description: 'Bytes of one record; a larger one is refused with `journal_record_too_large`.',
    }),
  },
  'A journal: a local file for what is too hot for a transaction each.',
);

export type JournalOptions = Static<typeof journalOptions>;

export const shipperOptions = optionsSchema(
  {
    batchMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 1000,
      description: 'Records that go into Postgres in one transaction; at most one MiB of them.',
    }),
    lingerMs: Type.Integer({
      minimum: 0,
      maximum: 60_000,
      default: 50,
      description:
        'How long a record may wait for others to share its transaction; less when a whole batch waits.',
    }),
    timeoutMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 10_000,
      description: 'How long one transaction may take before it is cancelled and tried again.',
    }),
    retryMsMax: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 5000,
      description:
        'The longest pause between attempts while the database is away; it doubles up to this, with jitter.',
    }),
  },
  'Shipping of a journal into Postgres.',
);

export type ShipperOptions = Static<typeof shipperOptions>;
