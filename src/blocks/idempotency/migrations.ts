import type { MigrationSet } from '#blocks/database';

export const idempotencyMigrations: MigrationSet = {
  room: 'idempotency',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};
