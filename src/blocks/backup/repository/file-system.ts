/**
 * Directories, and what a failure of the file system means for a backup.
 */
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { describeError, isLoadstoneError } from '#base/errors';
import { syncDirectory } from '#blocks/postgres';
import { backupErrors } from '../errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const UNUSABLE = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOENT',
  'ENOTDIR',
  'EEXIST',
  'ENAMETOOLONG',
  'EIO',
  'ESTALE',
]);

/** Parents first. Node's own recursive form never returns on file systems such as /proc, where nothing can be made. */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  if (dirname(directory) !== directory) makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: 0o700 });
  try {
    syncDirectory(dirname(directory));
  } catch (error) {
    // One may be allowed to make directories where one may not look.
    if (codeOf(error) !== 'EACCES') throw error;
  }
}

/** Whether `path` is `directory` or lies below it, by whatever names; it need not be there yet. */
export function isWithin(path: string, directory: string): boolean {
  const below = relative(realPathOf(directory), realPathOf(path));
  return below === '' || !(below === '..' || below.startsWith('../') || isAbsolute(below));
}

function realPathOf(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  return dirname(path) === path ? path : join(realPathOf(dirname(path)), basename(path));
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? '';
}

/** The coded error for what went wrong while writing below `directory`; others pass through. */
export function toTargetError(error: unknown, directory: string): unknown {
  if (isLoadstoneError(error)) return error;
  if (FULL.has(codeOf(error))) {
    return backupErrors.backup_disk_full({ detail: `${directory}: the disk is full`, cause: error });
  }
  if (!UNUSABLE.has(codeOf(error))) return error;
  return backupErrors.backup_target_unusable({
    detail: `${directory}: ${describeError(error)}`,
    cause: error,
  });
}
