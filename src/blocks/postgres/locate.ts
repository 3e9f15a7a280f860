/**
 * Finds the Postgres that another process of ours runs in a data directory.
 */
import { join } from 'node:path';
import { readDatabaseFile } from './directory/database-file.ts';
import { socketIn } from './joined.ts';
import { DATABASE_NAME, SUPERUSER_NAME } from './settings.ts';
import { isFenced, isStandby } from './standby/fence.ts';

/**
 * The primary's address for `database.primary`; undefined when none runs there that takes connections.
 * @throws database_file_invalid
 */
export function locateEmbedded(dataDirectory: string): string | undefined {
  const directory = join(dataDirectory, readDatabaseFile(dataDirectory).primary);
  const found = isFenced(directory) || isStandby(directory) ? undefined : socketIn(directory);
  if (!found) return undefined;
  return `postgres://${SUPERUSER_NAME}@/${DATABASE_NAME}?host=${encodeURIComponent(found.host)}`;
}
