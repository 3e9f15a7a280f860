import type { MigrationSet } from '#blocks/database';

/** The tables of this block live in `core`. They need those of `#blocks/stream` and `#blocks/leases`. */
export const outboxMigrations: MigrationSet = {
  room: 'outbox',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
