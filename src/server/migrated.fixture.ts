/**
 * The database of a server as it is before anything is in it: made and migrated once for a run of the tests, and copied for
 * each server. Tests of a first start, and of migrations, do not call this.
 */
import { copyCluster, copyPrepared, startTestDatabase } from '#fixtures/database';
import { migrationsOf, OWN_MIGRATIONS } from './core-runtime.ts';
import { SYSTEMS_DEFAULT } from './systems/list.ts';
import { loadSystems } from './systems/systems.ts';

async function makeMigrated(draft: string): Promise<void> {
  await copyCluster(draft);
  const definitions = await loadSystems(SYSTEMS_DEFAULT, process.cwd());
  const migrations = [...OWN_MIGRATIONS, ...migrationsOf(definitions)];
  const { stop } = await startTestDatabase({ dataDirectory: draft, migrations });
  await stop();
}

export function copyMigrated(dataDirectory: string): Promise<void> {
  return copyPrepared('migrated', dataDirectory, makeMigrated);
}
