/**
 * `start --join DIR`: a process beside the one that owns the data directory.
 */
import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { locateEmbedded } from '#blocks/database';
import type { Place } from '#server/place';
import { cliErrors } from './errors.ts';

function isRunning(directory: string): boolean {
  return existsSync(directory) && locateEmbedded(realpathSync(directory)) !== undefined;
}

/** @throws owner_missing when no server runs an embedded Postgres there */
export async function ownerOf(data: string): Promise<Place> {
  const directory = resolve(data);
  if (isRunning(directory)) return { kind: 'join', owner: async () => {}, binds: 'first' };
  throw cliErrors.owner_missing({
    detail: `no server runs with an embedded Postgres in ${directory}; start one there first, without --join`,
  });
}
