import type { MigrationSet } from '#blocks/database';

/** No table: it lets the server's role see other sessions, where the login may grant that. Databases know its room by the name it had at first. */
export const doctorMigrations: MigrationSet = {
  room: 'telemetry',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
