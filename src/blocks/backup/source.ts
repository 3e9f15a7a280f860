/**
 * What is backed up: an installation, found anew for each backup, since its primary may have moved.
 */
import { realpathSync } from 'node:fs';
import { databaseErrors } from '#blocks/database';
import { locateEmbedded } from '#blocks/postgres';
import type { FoundMasterKey } from './repository/master-key-copy.ts';

export interface BackupSource {
  /** The `postgres://` address of the primary. */
  url: string;
  /** Whether its files can be copied; a Postgres of the user's own gives only its rows. */
  engine: 'embedded' | 'external';
  dataDirectory: string;
  masterKey: FoundMasterKey | undefined;
}

/**
 * @param primary `database.primary`; without it the installation's own Postgres, which has to run
 * @throws database_unavailable
 */
export function findSource(
  { primary, dataDirectory }: { primary: string | undefined; dataDirectory: string },
  masterKey: FoundMasterKey | undefined,
): BackupSource {
  if (primary !== undefined) return { url: primary, engine: 'external', dataDirectory, masterKey };
  const url = locateEmbedded(realpathSync(dataDirectory));
  if (url !== undefined) return { url, engine: 'embedded', dataDirectory, masterKey };
  throw databaseErrors.database_unavailable({ detail: `no Postgres answers in ${dataDirectory}` });
}
