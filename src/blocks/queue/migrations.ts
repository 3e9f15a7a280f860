import type { MigrationSet } from '#blocks/database';

/** The tables of this block live in `core`, with the server's own. */
export const queueMigrations: MigrationSet = {
  room: 'queue',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
