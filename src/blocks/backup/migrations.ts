import type { MigrationSet } from '#blocks/database';

/** The table of this block lives in `core`, with the server's own. */
export const backupMigrations: MigrationSet = {
  room: 'backup',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
