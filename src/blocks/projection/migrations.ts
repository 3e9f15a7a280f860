import type { MigrationSet } from '#blocks/database';

/** The functions of this block live in `core`, with the server's own. */
export const projectionMigrations: MigrationSet = {
  room: 'projection',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
