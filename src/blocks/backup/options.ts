import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const backupOptions = optionsSchema(
  {
    lookMs: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 15_000,
      description:
        'How often a process looks whether a scheduled backup is due, and how the last ones went. A run that it has seen coming is on time; one of a schedule just made is late by at most so much.',
    }),
    timeoutMs: Type.Integer({
      minimum: 1000,
      maximum: 604_800_000,
      default: 21_600_000,
      description: 'How long a scheduled backup may take before it is given up.',
    }),
  },
  'Backups that the server takes by itself; schedules are made with `loadstone backup DIR --schedule`.',
);

export type BackupOptions = Static<typeof backupOptions>;
