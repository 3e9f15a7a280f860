/**
 * Whether this user may read an installation. Asked first, because what may not be read looks as if it were not there.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cliErrors } from './errors.ts';

function isClosed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** Undefined where not even that may be seen. */
function ownerOfFile(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

function refuse(directory: string, path: string): never {
  const owner = ownerOfFile(path);
  const who = owner === undefined ? 'the user that runs the server' : `its owner (uid ${owner})`;
  throw cliErrors.installation_unreadable({
    detail: `data directory ${directory}: this user (uid ${process.getuid?.()}) may not read ${path}; run the command as ${who}`,
  });
}

/** What is not there is passed over. @throws installation_unreadable */
export function checkReadable(directory: string): void {
  const enter = constants.R_OK | constants.X_OK;
  if (isClosed(directory, enter)) refuse(directory, directory);
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return;
  }
  for (const name of names.filter((each) => /^(?:postgres|database\.json$)/.test(each))) {
    const path = join(directory, name);
    if (isClosed(path, name === 'database.json' ? constants.R_OK : enter)) refuse(directory, path);
  }
}
