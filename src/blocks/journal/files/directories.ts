/**
 * Whose a journal's directory is: the process that has the lock on a file in it, which the kernel takes from it when it ends.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isLoadstoneError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { type DirectoryLock, lockDirectory } from '#blocks/postgres';
import { journalErrors } from '../errors.ts';
import { isJournalOf, makeJournalId } from './file-names.ts';

/** Each turn means that another process took a directory between its making and its locking. */
const TURNS_MAX = 10;

/** The journals of that name, of all processes, oldest first. */
export function listJournals(root: string, name: string): string[] {
  return readdirSync(root)
    .filter((entry) => isJournalOf(name, entry))
    .sort();
}

/** Undefined if a live process has the directory, or it is gone. */
export function lockIfFree(directory: string): DirectoryLock | undefined {
  try {
    return lockDirectory(directory);
  } catch (error) {
    if (isLoadstoneError(error) && error.code === 'data_in_use') return undefined;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A new directory of this process's own. */
export function makeOwnDirectory(
  root: string,
  name: string,
  deps: Pick<Runtime, 'clock' | 'random'>,
): { journalId: string; lock: DirectoryLock } {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const journalId = makeJournalId(name, deps);
    const directory = join(root, journalId);
    if (!makeIfNew(directory)) continue;
    const lock = lockIfFree(directory);
    if (lock) return { journalId, lock };
  }
  throw journalErrors.journal_unusable({ detail: `${root}: no directory of our own in ${TURNS_MAX} tries` });
}

function makeIfNew(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
