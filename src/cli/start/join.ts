/**
 * `start --join DIR`: a process beside the one that owns the data directory.
 */
import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { holderOf, locateEmbedded } from '#blocks/postgres';
import type { Ownership } from '#server/process/ownership';
import { cliErrors } from '../errors.ts';
import { checkReadable } from '../readable.ts';

/** Whether there is an embedded Postgres in a data directory, be it that its first directory is being made anew. */
export function holdsDatabase(directory: string): boolean {
  return ['postgres', 'database.json'].some((name) => existsSync(join(directory, name)));
}

/** An owner that lives may have no primary at this moment: it is starting, or promotes a standby. */
function isRunning(directory: string): boolean {
  if (!existsSync(directory)) return false;
  const real = realpathSync(directory);
  return locateEmbedded(real) !== undefined || (holdsDatabase(real) && holderOf(real) !== undefined);
}

/**
 * A primary that is not there yet is waited for by whoever connects to it.
 * @throws owner_missing when no server runs an embedded Postgres there
 */
export async function ownerOf(data: string): Promise<Ownership> {
  const directory = resolve(data);
  checkReadable(directory);
  if (isRunning(directory)) return { kind: 'join', owner: async () => {}, binds: 'first' };
  throw cliErrors.owner_missing({
    detail: `no server runs with an embedded Postgres in ${directory}; start one there first, without --join`,
  });
}
