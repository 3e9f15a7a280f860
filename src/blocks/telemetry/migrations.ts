import type { MigrationSet } from '#blocks/database';

/** No table: it lets the server's role see other sessions, where the login may grant that. */
export const telemetryMigrations: MigrationSet = {
  room: 'telemetry',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
