/**
 * Finds the Postgres that another process of ours runs in a data directory.
 */
import { join } from 'node:path';
import { findPostmaster } from './postmaster-file.ts';
import { DATABASE_NAME, SUPERUSER_NAME } from './settings.ts';

/** Its address for `database.primary`; undefined when none runs there that takes connections. */
export function locateEmbedded(dataDirectory: string): string | undefined {
  const found = findPostmaster(join(dataDirectory, 'postgres'));
  if (found.kind !== 'live' || found.file.status !== 'ready') return undefined;
  return `postgres://${SUPERUSER_NAME}@/${DATABASE_NAME}?host=${encodeURIComponent(found.file.socketDirectory)}`;
}
